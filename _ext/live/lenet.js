/* The two networks of chapters/cnn/lenet: draw a garment or a digit, and see what every layer makes
   of it. */
(() => {
  "use strict";
  const { h, linear, softmax, canvas, keyed, button, choice, arrow, widget } = window.bookLive;
  const SIDE = 28, ZOOM = 10;
  const CLOTH = 0.8; // how bright a drawn garment is
  const POOL = {
    garments: (cell) => (cell[0] + cell[1] + cell[2] + cell[3]) / 4,
    digits: (cell) => Math.max(...cell),
  };

  /* ---- The model ----------------------------------------------------------------------------- */

  /* Y_ors = b_o + Σ_cij W_ocij X_c,r+i-p,s+j-p, of X (c, h, w) with W (out, c, k, k) */
  function conv2d(X, W, b, padding) {
    const [channels, height, width] = X.shape, [outputs, , k] = W.shape;
    const rows = height + 2 * padding - k + 1, columns = width + 2 * padding - k + 1;
    const Y = new Float32Array(outputs * rows * columns);
    for (let o = 0, n = 0; o < outputs; o++)
      for (let r = 0; r < rows; r++)
        for (let s = 0; s < columns; s++, n++) {
          let sum = b[o];
          for (let c = 0; c < channels; c++)
            for (let i = 0; i < k; i++) {
              const row = r + i - padding;
              if (row < 0 || row >= height) continue;
              for (let j = 0; j < k; j++) {
                const column = s + j - padding;
                if (column >= 0 && column < width) sum += W[((o * channels + c) * k + i) * k + j] * X[(c * height + row) * width + column];
              }
            }
          Y[n] = sum;
        }
    return Object.assign(Y, { shape: [outputs, rows, columns] });
  }

  /* Each cell of 2 × 2 becomes one number. */
  function pool(X, summary) {
    const [channels, height, width] = X.shape;
    const Y = new Float32Array(X.length / 4);
    for (let n = 0; n < Y.length; n++) {
      const at = 2 * Math.floor(n / (width / 2)) * width + 2 * (n % (width / 2));
      Y[n] = summary([X[at], X[at + 1], X[at + width], X[at + width + 1]]);
    }
    return Object.assign(Y, { shape: [channels, height / 2, width / 2] });
  }

  const relu = (X) => Object.assign(X.map((v) => Math.max(v, 0)), { shape: X.shape });

  /* input: which `net`, and an image `X` (28 × 28, from 0 to 1) or the number of an `example`.
     Gives what each layer gives, by its number in the page's nn.Sequential, and probabilities. */
  function forward(model, { net, example, X }) {
    const layer = (n) => [model.tensor(`${net}.${n}.weight`), model.tensor(`${net}.${n}.bias`)];
    const image = X ?? model.tensor(`${net}.examples`).slice(example * SIDE ** 2, (example + 1) * SIDE ** 2);
    const input = Object.assign(image.map((v) => v * model.meta.scales[net]), { shape: [1, SIDE, SIDE] });
    const out = {};
    out.layer1 = relu(conv2d(input, ...layer(0), 2));
    out.layer2 = pool(out.layer1, POOL[net]);
    out.layer4 = relu(conv2d(out.layer2, ...layer(3), 0));
    out.layer5 = pool(out.layer4, POOL[net]);
    out.layer8 = relu(linear(out.layer5, ...layer(7)));
    out.layer10 = relu(linear(out.layer8, ...layer(9)));
    out.last = softmax(linear(out.layer10, ...layer(11)));
    return out;
  }

  /* ---- Colours ------------------------------------------------------------------------------- */

  const STOPS = [[16, 18, 40], [72, 42, 110], [190, 70, 90], [250, 160, 70], [255, 243, 180]];

  /* From dark, for 0, to bright, for 1 */
  function glow(v) {
    const at = Math.min(Math.max(v, 0), 1) * (STOPS.length - 1), low = Math.min(Math.floor(at), STOPS.length - 2);
    return STOPS[low].map((c, i) => c + (at - low) * (STOPS[low + 1][i] - c));
  }

  const grey = (v) => Array(3).fill(255 * Math.min(Math.max(v, 0), 1));
  /* Weights: blue below 0, orange above */
  const signed = (v) => (v < 0 ? [47, 110, 180] : [220, 110, 30]).map((c) => 252 + Math.min(Math.abs(v), 1) * (c - 252));

  /* Pixels of `values`, which are `side` wide, into a square of the drawing */
  function picture(context, values, side, [x, y, size], ramp) {
    const small = new OffscreenCanvas(side, values.length / side), image = small.getContext("2d").createImageData(small.width, small.height);
    values.forEach((v, i) => image.data.set([...ramp(v), 255], 4 * i));
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, x, y, size, (size * small.height) / side);
  }

  /* ---- What the reader sees ------------------------------------------------------------------ */

  /* Maps side by side, `size` pixels each, all on one scale; `rows` of them */
  function sheet(label, count, size, rows, values, ramp = glow) {
    const columns = count / rows, gap = 4;
    return canvas(label, [columns * (size + gap) - gap, rows * (size + gap) - gap], (context) => {
      const all = values(), most = all.reduce((a, v) => Math.max(a, Math.abs(v)), 1e-6), length = all.length / count;
      for (let n = 0; n < count; n++) {
        const map = all.subarray(n * length, (n + 1) * length).map((v) => v / most);
        picture(context, map, Math.sqrt(length), [(n % columns) * (size + gap), Math.floor(n / columns) * (size + gap), size], ramp);
      }
    });
  }

  /* Units as small squares: twenty in a row, or as many as fit */
  function units(label, count, columns, values) {
    const size = 14, gap = 2;
    return canvas(label, [columns * (size + gap) - gap, Math.ceil(count / columns) * (size + gap) - gap], (context) => {
      const all = values(), most = all.reduce((a, v) => Math.max(a, v), 1e-6);
      all.forEach((v, n) => {
        context.fillStyle = `rgb(${glow(v / most)})`;
        context.fillRect((n % columns) * (size + gap), Math.floor(n / columns) * (size + gap), size, size);
      });
    });
  }

  function mount(element, model) {
    let net = "garments", arrows = "image", moved = [0, 0], pen = [14, 14], down = false, shown = false, out;
    let X = new Float32Array(SIDE ** 2);
    const { classes } = model.meta;

    const paper = canvas("Drawing surface of 28 by 28 pixels", [SIDE * ZOOM, SIDE * ZOOM], (context) => {
      picture(context, X, SIDE, [0, 0, SIDE * ZOOM], grey);
      if (document.activeElement === paper && arrows === "pen") {
        context.strokeStyle = "#ffa45c";
        context.lineWidth = 2;
        context.strokeRect(pen[0] * ZOOM - 8, pen[1] * ZOOM - 8, 16, 16);
      }
    }, "Arrow keys move the pen or the image, as chosen below. Space puts the pen down and lifts it. Delete clears.");
    paper.classList.add("live-paper");

    const first = () => model.tensor(`${net}.0.weight`);
    const layers = [
      ["First convolution: weights of 5 × 5, blue below zero, and where each finds what it looks for", sheet("The six kernels of the first layer", 6, 40, 1, first, signed), sheet("Six maps of 28 by 28 pixels", 6, 76, 1, () => out.layer1)],
      ["Pooling: a quarter of the pixels", sheet("Six maps of 14 by 14 pixels", 6, 46, 1, () => out.layer2)],
      ["Second convolution: 16 kernels, each of which reads all six maps", sheet("Sixteen maps of 10 by 10 pixels", 16, 46, 2, () => out.layer4)],
      ["Pooling: these 400 numbers are all that the dense layers see", sheet("Sixteen maps of 5 by 5 pixels", 16, 30, 2, () => out.layer5)],
      ["Dense layers: 120 units, then 84", units("120 units", 120, 30, () => out.layer8), units("84 units", 84, 28, () => out.layer10)],
    ];

    const says = h("p", { class: "live-status", role: "status" });
    const answer = h("p", { class: "live-guess" });
    const bars = h("ol", { class: "live-classes", "aria-label": "Probability of each class" });
    const shelf = h("div", { class: "live-shelf", role: "group", "aria-label": "Test images" });
    const mode = choice("Arrow keys and buttons move", [["image", "the image"], ["pen", "the pen"]], arrows, (value) => {
      arrows = value;
      paper.redraw();
    });

    const filling = h("input", { type: "checkbox" });

    function percent(p) {
      return p > 0.995 ? "over 99 %" : p < 0.005 ? "under 1 %" : `${Math.round(100 * p)} %`;
    }

    /* Everything anew, once a frame at most */
    let waiting = false;
    function update() {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        out = forward(model, { net, X });
        for (const node of element.querySelectorAll("canvas")) node.redraw?.();
        const order = [...out.last.keys()].sort((a, b) => out.last[b] - out.last[a]);
        const blank = X.every((v) => v === 0);
        answer.textContent = blank ? "Nothing is drawn." : `${classes[net][order[0]]}, ${percent(out.last[order[0]])}`;
        [...bars.children].forEach((bar, i) => {
          bar.style.setProperty("--p", out.last[i]);
          bar.classList.toggle("is-best", i === order[0] && !blank);
          bar.lastChild.textContent = percent(out.last[i]);
        });
        const [right, low] = moved;
        const where = [right && `${Math.abs(right)} to the ${right > 0 ? "right" : "left"}`, low && `${Math.abs(low)} ${low > 0 ? "down" : "up"}`].filter(Boolean).join(" and ");
        says.textContent = blank
          ? `An empty image: the network has no class for it, and still has to answer ${classes[net][order[0]]} (${percent(out.last[order[0]])}).`
          : `It reads ${classes[net][order[0]]} with ${percent(out.last[order[0]])}, then ${classes[net][order[1]]} with ${percent(out.last[order[1]])}.${where ? ` The image has moved by ${where}.` : ""}`;
      });
    }

    /* A soft, round pen, as bright as cloth or as ink, and as wide as lines in the training images */
    function dab([x, y]) {
      const [radius, bright] = net === "garments" ? [0.8, CLOTH] : [1.3, 1];
      for (let i = 0; i < X.length; i++) {
        const far = Math.hypot((i % SIDE) + 0.5 - x, Math.floor(i / SIDE) + 0.5 - y);
        X[i] = Math.max(X[i], bright * Math.min(1, Math.max(0, radius + 0.5 - far)));
      }
    }

    function stroke(from, to) {
      const steps = Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])) || 1;
      for (let i = 0; i <= steps; i++) dab(from.map((v, k) => v + ((to[k] - v) * i) / steps));
      update();
    }

    function move([right, low]) {
      X = X.map((_, i) => {
        const column = (i % SIDE) - right, row = Math.floor(i / SIDE) - low;
        return column >= 0 && column < SIDE && row >= 0 && row < SIDE ? X[row * SIDE + column] : 0;
      });
      moved = [moved[0] + right, moved[1] + low];
      update();
    }

    function clear() {
      X.fill(0);
      shown = false;
      [moved, arrows, down] = [[0, 0], "pen", false];
      mode.choose("pen");
      update();
    }

    /* A line that closes becomes a shape, if that is wished for: photographs are no outlines. */
    function lift() {
      if (!filling.checked) return;
      const outside = new Set(), todo = [0];
      while (todo.length) {
        const i = todo.pop();
        if (outside.has(i) || X[i] > 0.4 * CLOTH) continue;
        outside.add(i);
        if (i % SIDE) todo.push(i - 1);
        if ((i + 1) % SIDE) todo.push(i + 1);
        if (i >= SIDE) todo.push(i - SIDE);
        if (i < SIDE * (SIDE - 1)) todo.push(i + SIDE);
      }
      X = X.map((v, i) => (outside.has(i) ? v : Math.max(v, CLOTH)));
      update();
    }

    function show(example) {
      X = model.tensor(`${net}.examples`).slice(example * SIDE ** 2, (example + 1) * SIDE ** 2);
      shown = true;
      [moved, arrows, down] = [[0, 0], "image", false];
      mode.choose("image");
      update();
    }

    function wear(name) {
      net = name;
      filling.checked = name === "garments";
      bars.replaceChildren(...classes[net].map((text) => h("li", {}, h("span", {}, text), h("span", { class: "live-percent" }))));
      shelf.replaceChildren(...classes[net].map((text, i) => {
        const pixels = model.tensor(`${net}.examples`).subarray(i * SIDE ** 2, (i + 1) * SIDE ** 2);
        const small = canvas("", [SIDE * 1.5, SIDE * 1.5], (context) => picture(context, pixels, SIDE, [0, 0, SIDE * 1.5], grey));
        small.setAttribute("aria-hidden", "true");
        return h("button", { type: "button", "aria-label": `Test image: ${text}`, title: text, onclick: () => show(i) }, small);
      }));
    }

    /* ---- Mouse, touch, keyboard -------------------------------------------------------------- */

    let last;
    const at = (event) => paper.place(event).map((v) => v / ZOOM);
    paper.addEventListener("pointerdown", (event) => {
      paper.setPointerCapture(event.pointerId);
      if (shown) clear(); // who draws wants a sheet without a photograph
      last = at(event);
      stroke(last, last);
    });
    paper.addEventListener("pointermove", (event) => {
      if (!last) return;
      for (const part of event.getCoalescedEvents?.() ?? [event]) {
        const next = at(part);
        stroke(last, next);
        last = next;
      }
    });
    for (const end of ["pointerup", "pointercancel"])
      paper.addEventListener(end, () => {
        last = undefined;
        lift();
      });
    for (const change of ["focus", "blur"]) paper.addEventListener(change, () => out && paper.redraw());
    function go(step) {
      if (arrows === "image") return move(step.map(Math.sign));
      const next = pen.map((v, k) => Math.min(SIDE, Math.max(0, v + Math.sign(step[k]))));
      if (down) stroke(pen, next);
      pen = next;
      update();
    }
    paper.addEventListener("keydown", (event) => {
      const step = arrow(event);
      if (step) go(step);
      else if (event.key === " ") {
        if (shown) clear();
        [arrows, down] = ["pen", !down];
        mode.choose("pen");
        if (down) stroke(pen, pen);
        else lift();
      } else if (event.key === "Delete" || event.key === "Backspace") clear();
      else return;
      event.preventDefault();
    });

    const pad = h("div", { class: "live-pad", role: "group", "aria-label": "Move by one pixel" },
      ...[["←", "left", [-1, 0]], ["↑", "up", [0, -1]], ["↓", "down", [0, 1]], ["→", "right", [1, 0]]].map(([sign, name, step]) => {
        const key = button(sign, () => go(step));
        key.setAttribute("aria-label", `Move ${name}`);
        return key;
      }));
    const title = (text) => h("p", { class: "live-layer" }, text);
    element.append(
      h("div", { class: "live-controls" }, choice("Network", [["garments", "trained on garments"], ["digits", "trained on digits"]], net, (value) => { wear(value); show(value === "garments" ? 7 : 3); })),
      h("div", { class: "live-side" },
        h("div", { class: "live-narrow" }, keyed(paper), h("div", { class: "live-controls" }, button("Clear", clear), pad, h("label", { class: "live-check" }, filling, "fill what a line encloses")), h("div", { class: "live-controls" }, mode)),
        h("div", { class: "live-grow" }, answer, bars)),
      says,
      title("Test images, which the network has not seen"), shelf,
      h("div", { class: "live-layers" }, ...layers.flatMap(([text, ...drawn]) => [title(text), ...drawn])),
    );
    wear(net);
    show(7);
  }

  widget("lenet", { forward, mount });
})();
