/* One query among eight keys in the plane, with the scores of chapters/attention/scoring-functions. */
(() => {
  "use strict";
  const { h, softmax, canvas, keyed, choice, colour, arrow, widget } = window.bookLive;
  const SCORES = ["additive", "dot product", "scaled dot product"];

  /* ---- The model ------------------------------------------------------------------------------ */

  /* x W for one row x, with W (inputs, features) */
  function times(x, W) {
    const [inputs, features] = W.shape, y = new Float64Array(features);
    for (let i = 0; i < inputs; i++) for (let f = 0; f < features; f++) y[f] += x[i] * W[i * features + f];
    return y;
  }

  /* a(q, k) of a query with each key: wᵀ tanh(W_q q + W_k k), q' · k', or q' · k' / √d */
  function scorer(model, net, score) {
    const [Wq, Wk, w] = [0, 1, 2].slice(0, score === "additive" ? 3 : 2).map((n) => model.tensor(`${net}.${score}.${n}`));
    const places = model.tensor("keys"), keys = Array.from({ length: places.shape[0] }, (_, i) => times(places.subarray(2 * i, 2 * i + 2), Wk));
    const divisor = score === "scaled dot product" ? Math.sqrt(Wq.shape[1]) : 1;
    return (query) => {
      const q = times(query, Wq);
      return softmax(Float64Array.from(keys, (k) => {
        let sum = 0;
        for (let f = 0; f < k.length; f++) sum += w ? w[f] * Math.tanh(q[f] + k[f]) : q[f] * k[f];
        return sum / divisor;
      }));
    };
  }

  /* o = Σ α_i v_i; the values are the photographs. */
  function average(model, weights) {
    const V = model.tensor("photographs"), pixels = V.length / weights.length, output = new Float64Array(pixels);
    weights.forEach((weight, i) => { for (let p = 0; p < pixels; p++) output[p] += weight * V[i * pixels + p]; });
    return output;
  }

  /* input: which `net` (trained or untrained), which `score`, and the place of the `query`. */
  function forward(model, { net, score, query }) {
    const weights = scorer(model, net, score)(query);
    return { weights, output: average(model, weights) };
  }

  /* ---- What the reader sees ------------------------------------------------------------------- */

  const SIZE = 400, REACH = 2.3, THUMB = 40;
  const toPixel = ([x, y]) => [((x + REACH) / (2 * REACH)) * SIZE, ((REACH - y) / (2 * REACH)) * SIZE];
  const toPlane = ([a, b]) => [(a / SIZE) * 2 * REACH - REACH, REACH - (b / SIZE) * 2 * REACH];
  const angle = (i) => 45 * i + 12, hue = (i, lightness) => `hsl(${angle(i)} 65% ${lightness}%)`;

  function photograph(context, pixels, [x, y, size]) {
    const small = new OffscreenCanvas(28, 28), image = small.getContext("2d").createImageData(28, 28);
    pixels.forEach((v, i) => image.data.set([255 * v, 255 * v, 255 * v, 255], 4 * i));
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, x, y, size, size);
  }

  function mount(element, model) {
    const names = model.meta.classes, places = model.tensor("keys"), V = model.tensor("photographs");
    const key = (i) => [places[2 * i], places[2 * i + 1]], pixels = (i) => V.subarray(784 * i, 784 * (i + 1));
    let net = "trained", score = "scaled dot product", query = [1.5, -0.2], found = {}, ground, held = false;
    const dark = () => document.documentElement.dataset.theme === "dark";

    /* Which key a query would look at most, and how surely: one colour a key, for each place */
    function map() {
      const side = 48, weigh = scorer(model, net, score);
      ground = new OffscreenCanvas(side, side);
      const pen = ground.getContext("2d");
      for (let i = 0; i < side * side; i++) {
        const weights = weigh(toPlane([(((i % side) + 0.5) / side) * SIZE, ((Math.floor(i / side) + 0.5) / side) * SIZE]));
        const most = Math.max(...weights);
        pen.globalAlpha = 0.75 * most;
        pen.fillStyle = hue(weights.indexOf(most), dark() ? 38 : 72);
        pen.fillRect(i % side, Math.floor(i / side), 1, 1);
      }
    }

    const board = canvas("The plane of query and keys", [SIZE, SIZE], (context) => {
      context.imageSmoothingEnabled = true;
      context.drawImage(ground, 0, 0, SIZE, SIZE);
      context.strokeStyle = colour("--book-rule");
      context.lineWidth = 1;
      for (const [from, to] of [[[-REACH, 0], [REACH, 0]], [[0, -REACH], [0, REACH]]]) {
        context.beginPath();
        context.moveTo(...toPixel(from));
        context.lineTo(...toPixel(to));
        context.stroke();
      }
      const here = toPixel(query), weights = found[score].weights;
      for (let i = 0; i < names.length; i++) {
        context.strokeStyle = hue(i, dark() ? 70 : 38);
        context.lineWidth = 0.3 + 14 * weights[i];
        context.beginPath();
        context.moveTo(...here);
        context.lineTo(...toPixel(key(i)));
        context.stroke();
      }
      for (let i = 0; i < names.length; i++) {
        const [a, b] = toPixel(key(i)), size = THUMB;
        photograph(context, pixels(i), [a - size / 2, b - size / 2, size]);
        context.strokeStyle = hue(i, dark() ? 70 : 38);
        context.lineWidth = 2 + 3 * weights[i];
        context.strokeRect(a - size / 2, b - size / 2, size, size);
      }
      context.beginPath();
      context.arc(...here, 10, 0, 2 * Math.PI);
      context.fillStyle = "#e8710a";
      context.strokeStyle = "#fff";
      context.lineWidth = 2.5;
      context.fill();
      context.stroke();
      context.fillStyle = "#fff";
      context.font = "bold 12px system-ui, sans-serif";
      context.textAlign = "center";
      context.fillText("q", here[0], here[1] + 4);
      if (document.activeElement === board) {
        context.strokeStyle = colour("--pst-color-text-base");
        context.lineWidth = 1.5;
        context.strokeRect(here[0] - 15, here[1] - 15, 30, 30);
      }
    }, "Arrow keys move the query, with Shift faster.");
    board.classList.add("live-plane");

    const rows = Object.fromEntries(SCORES.map((name) => {
      const bars = h("div", { class: "live-weights" }, ...names.map((_, i) => h("span", { style: `--hue:${angle(i)}` })));
      const output = canvas(`Output with the ${name}`, [64, 64], (context) => photograph(context, found[name].output, [0, 0, 64]));
      return [name, { bars, output, row: h("div", { class: "live-score" }, h("p", {}, name), bars, output) }];
    }));
    const thumbs = h("div", { class: "live-weights live-thumbs" }, ...names.map((name, i) => {
      const small = canvas(name, [28, 28], (context) => photograph(context, pixels(i), [0, 0, 28]));
      return h("span", { title: name }, small);
    }));
    const says = h("p", { class: "live-status", role: "status" });

    function told(name) {
      const { weights } = found[name], order = [...weights.keys()].sort((a, b) => weights[b] - weights[a]);
      const part = (i) => `${names[i]} ${Math.round(100 * weights[i])} %`;
      return weights[order[0]] > 0.985 ? `nothing but ${names[order[0]]}` : order.slice(0, 2).map(part).join(", ");
    }

    let talk;
    function update() {
      for (const name of SCORES) {
        found[name] = forward(model, { net, score: name, query });
        rows[name].row.classList.toggle("is-shown", name === score);
        [...rows[name].bars.children].forEach((bar, i) => bar.style.setProperty("--p", found[name].weights[i]));
      }
      if (!ground) map();
      for (const node of element.querySelectorAll("canvas")) node.redraw();
      const sentence = `Query at ${query.map((v) => v.toFixed(1).replace("-", "−")).join(", ")}, networks ${net === "trained" ? "after 200 steps" : "untrained"}. ` + SCORES.map((name) => `${name[0].toUpperCase()}${name.slice(1)}: ${told(name)}.`).join(" ");
      clearTimeout(talk); // a screen reader hears where the query comes to rest
      if (says.textContent) talk = setTimeout(() => (says.textContent = sentence), held ? 150 : 0);
      else says.textContent = sentence;
    }

    const inside = (v) => Math.min(REACH, Math.max(-REACH, v));
    function move(event) {
      query = toPlane(board.place(event)).map(inside);
      update();
    }
    board.addEventListener("pointerdown", (event) => {
      board.setPointerCapture(event.pointerId);
      held = true;
      move(event);
    });
    board.addEventListener("pointermove", (event) => held && move(event));
    for (const end of ["pointerup", "pointercancel"]) board.addEventListener(end, () => (held = false));
    for (const change of ["focus", "blur"]) board.addEventListener(change, () => board.redraw());
    board.addEventListener("keydown", (event) => {
      const step = arrow(event);
      if (!step) return;
      event.preventDefault();
      query = query.map((v, k) => inside(v + 0.05 * step[k] * (k ? -1 : 1)));
      update();
    });
    new MutationObserver(() => { map(); board.redraw(); }).observe(document.documentElement, { attributeFilter: ["data-theme"] });

    const again = () => { map(); update(); };
    element.append(
      h("div", { class: "live-controls" },
        choice("Networks", [["untrained", "untrained"], ["trained", "after 200 steps"]], net, (value) => { net = value; again(); }),
        choice("Lines and colours show", SCORES.map((name) => [name, name]), score, (value) => { score = value; again(); })),
      h("div", { class: "live-side" }, keyed(board),
        h("div", { class: "live-grow" }, h("div", { class: "live-score live-score-head" }, h("p", {}, "weights of the keys"), h("p", {}, "output")),
          ...SCORES.map((name) => rows[name].row), h("div", { class: "live-score" }, thumbs))),
      says,
      h("p", { class: "live-note" }, "Colours of the ground: the key that a query at that place would look at most; the stronger, the surer."),
    );
    update();
  }

  widget("attention", { forward, mount });
})();
