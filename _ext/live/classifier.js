/* A multilayer perceptron that learns in the page: points of two classes in the plane, ReLU or tanh
   layers, cross-entropy, Adam; forward and backward as in chapters/mlp/multilayer-perceptron. */
(() => {
  "use strict";
  const { h, canvas, keyed, button, choice, slider, colour, arrow, widget } = window.bookLive;

  /* ---- The network, its gradient, and Adam ---------------------------------------------------- */

  const ACTIVATIONS = {
    ReLU: [(z) => Math.max(z, 0), (a) => (a > 0 ? 1 : 0)], // φ(z), and φ' from the activation
    tanh: [Math.tanh, (a) => 1 - a * a],
  };

  /* Layers of `sizes` with He's start for ReLU, Xavier's for tanh; weights are (outputs, inputs). */
  function network(sizes, activation, random) {
    const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const layers = sizes.slice(1).map((outputs, k) => {
      const inputs = sizes[k], deviation = Math.sqrt(2 / (activation === "ReLU" ? inputs : inputs + outputs));
      return { inputs, outputs, W: Float64Array.from({ length: inputs * outputs }, () => deviation * normal()), b: new Float64Array(outputs) };
    });
    return { activation, layers };
  }

  /* The network of published weights `name`. */
  function published(model, name) {
    const layers = [];
    for (let k = 0; ; k += 2) {
      let W;
      try {
        W = model.tensor(`${name}.${k}.weight`);
      } catch {
        return { activation: name === "tanh" ? "tanh" : "ReLU", layers };
      }
      layers.push({ inputs: W.shape[1], outputs: W.shape[0], W: Float64Array.from(W), b: Float64Array.from(model.tensor(`${name}.${k}.bias`)) });
    }
  }

  /* H_0 = x, H_l = φ(W_l H_(l-1) + b_l), the last layer without φ: all of them, for one point */
  function activations({ activation, layers }, x) {
    const [phi] = ACTIVATIONS[activation], found = [x];
    layers.forEach(({ inputs, outputs, W, b }, l) => {
      const below = found[l], z = new Float64Array(outputs);
      for (let o = 0; o < outputs; o++) {
        let sum = b[o];
        for (let i = 0; i < inputs; i++) sum += W[o * inputs + i] * below[i];
        z[o] = l < layers.length - 1 ? phi(sum) : sum;
      }
      found.push(z);
    });
    return found;
  }

  /* Probability of the second class, from two logits */
  const second = (logits) => 1 / (1 + Math.exp(logits[0] - logits[1]));

  /* The mean cross-entropy, and its gradient. With δ = (p - one-hot) / n at the logits, each layer
     gets Wδ = δ Hᵀ and bδ = δ, and hands (Wᵀ δ) ⊙ φ'(z) to the layer below. */
  function lossAndGradient(net, X, y) {
    const slope = ACTIVATIONS[net.activation][1], n = X.length;
    const gradient = net.layers.map(({ W, b }) => ({ W: new Float64Array(W.length), b: new Float64Array(b.length) }));
    const logits = [];
    let loss = 0, wrong = 0;
    X.forEach((x, row) => {
      const H = activations(net, x), o = H.at(-1), p = second(o);
      logits.push(...o);
      const worse = o[1 - y[row]] - o[y[row]]; // log(1 + e^worse), which must not overflow
      loss += (worse > 0 ? worse + Math.log1p(Math.exp(-worse)) : Math.log1p(Math.exp(worse))) / n;
      wrong += worse >= 0;
      let delta = [(1 - p - (y[row] === 0)) / n, (p - (y[row] === 1)) / n];
      for (let l = net.layers.length - 1; l >= 0; l--) {
        const { inputs, outputs, W } = net.layers[l], below = H[l], down = new Float64Array(inputs);
        for (let o = 0; o < outputs; o++) {
          gradient[l].b[o] += delta[o];
          for (let i = 0; i < inputs; i++) {
            gradient[l].W[o * inputs + i] += delta[o] * below[i];
            down[i] += delta[o] * W[o * inputs + i];
          }
        }
        delta = down.map((v, i) => v * slope(below[i]));
      }
    });
    return { loss, wrong, gradient, logits };
  }

  /* One step of Adam: m and v are running means of g and g², corrected for their start at 0. */
  function adam(net, gradient, rate, state) {
    state.t = (state.t ?? 0) + 1;
    const first = 1 - 0.9 ** state.t, later = 1 - 0.999 ** state.t;
    net.layers.forEach((layer, l) => {
      for (const part of ["W", "b"]) {
        const g = gradient[l][part], w = layer[part];
        const [m, v] = (state[part + l] ??= [new Float64Array(w.length), new Float64Array(w.length)]);
        for (let i = 0; i < w.length; i++) {
          m[i] = 0.9 * m[i] + 0.1 * g[i];
          v[i] = 0.999 * v[i] + 0.001 * g[i] ** 2;
          w[i] -= (rate * m[i]) / first / (Math.sqrt(v[i] / later) + 1e-8);
        }
      }
    });
  }

  /* input: published weights to `start` from, points X and classes y. Gives logits, loss and gradient
     at the start, and the weights after so many `steps` of Adam; all named as in PyTorch. */
  function forward(model, { start, X, y, steps, rate }) {
    const net = published(model, start), state = {};
    const { loss, gradient, logits } = lossAndGradient(net, X, y), found = { loss, logits };
    for (let t = 0; t < steps; t++) adam(net, lossAndGradient(net, X, y).gradient, rate, state);
    net.layers.forEach(({ W, b }, l) => {
      Object.assign(found, { [`grad ${2 * l}.weight`]: gradient[l].W, [`grad ${2 * l}.bias`]: gradient[l].b });
      Object.assign(found, { [`${2 * l}.weight`]: W, [`${2 * l}.bias`]: b });
    });
    return found;
  }

  /* ---- Points --------------------------------------------------------------------------------- */

  /* Random numbers that repeat themselves (mulberry32) */
  function generator(seed) {
    return () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  function presets(model) {
    const random = generator(5), noise = (size) => size * (random() + random() + random() - 1.5);
    const many = (n, point) => Array.from({ length: n }, (_, i) => point(i));
    const pairs = model.tensor("pairs");
    return {
      xor: many(100, (i) => {
        const [a, b] = [i % 2, (i >> 1) % 2];
        return { x: [2 * a - 1 + noise(0.55), 2 * b - 1 + noise(0.55)], y: a ^ b };
      }),
      circles: many(120, (i) => {
        const turn = 2 * Math.PI * random(), radius = (i % 2 ? 1.5 : 0.6) + noise(0.25);
        return { x: [radius * Math.cos(turn), radius * Math.sin(turn)], y: i % 2 };
      }),
      spiral: many(160, (i) => {
        const along = (i >> 1) / 80, turn = 1.6 * 2 * Math.PI * along ** 0.75 + Math.PI * (i % 2);
        const radius = 0.15 + 1.6 * along;
        return { x: [radius * Math.cos(turn) + noise(0.06), radius * Math.sin(turn) + noise(0.06)], y: i % 2 };
      }),
      pairs: many(120, (i) => ({ x: [pairs[2 * i], pairs[2 * i + 1]], y: model.meta.classes[i] })),
      corners: [[0, 0], [0, 1], [1, 0], [1, 1]].map(([a, b]) => ({ x: [a, b], y: a ^ b })),
      none: [],
    };
  }

  /* ---- What the reader sees ------------------------------------------------------------------- */

  const SIZE = 400, REACH = 2, GRID = 70, MOST = 4000, CLASSES = ["orange circles", "purple crosses"];
  const toPixel = ([x, y]) => [((x + REACH) / (2 * REACH)) * SIZE, ((REACH - y) / (2 * REACH)) * SIZE];
  const toPlane = ([a, b]) => [(a / SIZE) * 2 * REACH - REACH, REACH - (b / SIZE) * 2 * REACH];

  function mount(element, model) {
    const given = presets(model);
    let data = "xor", points = [...given.xor], depth = 1, width = 8, activation = "ReLU", rate = 0.03;
    let seed = 1, net, state, steps, losses, running = false, next = 0, cursor = [0, 0], now;
    const dark = () => document.documentElement.dataset.theme === "dark";

    const board = canvas("The plane of points and answers", [SIZE, SIZE], (context) => {
      const [orange, purple] = dark() ? [[158, 92, 36], [96, 76, 162]] : [[253, 196, 125], [190, 176, 226]];
      const middle = dark() ? [32, 38, 42] : [250, 248, 245];
      const small = new OffscreenCanvas(GRID, GRID), pen = small.getContext("2d"), image = pen.createImageData(GRID, GRID);
      for (let i = 0; i < GRID * GRID; i++) {
        const place = toPlane([(((i % GRID) + 0.5) / GRID) * SIZE, ((Math.floor(i / GRID) + 0.5) / GRID) * SIZE]);
        const sure = 2 * second(activations(net, place).at(-1)) - 1, end = sure < 0 ? orange : purple;
        image.data.set([...middle.map((c, k) => c + Math.abs(sure) * (end[k] - c)), 255], 4 * i);
      }
      pen.putImageData(image, 0, 0);
      context.imageSmoothingEnabled = true;
      context.drawImage(small, 0, 0, SIZE, SIZE);
      folds(context);
      for (const { x, y } of points) mark(context, toPixel(x), y);
      if (document.activeElement === board) {
        const [a, b] = toPixel(cursor);
        context.strokeStyle = colour("--pst-color-text-base");
        context.lineWidth = 1.5;
        context.strokeRect(a - 9, b - 9, 18, 18);
      }
    }, "Arrow keys move the frame, with Shift faster. Space puts a point there, or takes one away.");
    board.classList.add("live-plane");

    /* w₁ x + w₂ y + b = 0 for each unit of the first hidden layer */
    function folds(context) {
      if (net.layers.length < 2) return;
      const { W, b, outputs } = net.layers[0], far = 20;
      context.strokeStyle = dark() ? "rgb(255 255 255 / 55%)" : "rgb(40 40 60 / 45%)";
      context.lineWidth = 1;
      for (let o = 0; o < outputs; o++) {
        const [u, v] = [W[2 * o], W[2 * o + 1]], size = u * u + v * v;
        if (size < 1e-9) continue;
        const foot = [(-b[o] * u) / size, (-b[o] * v) / size], along = [-v / Math.sqrt(size), u / Math.sqrt(size)];
        context.beginPath();
        context.moveTo(...toPixel(foot.map((c, k) => c - far * along[k])));
        context.lineTo(...toPixel(foot.map((c, k) => c + far * along[k])));
        context.stroke();
      }
    }

    function mark(context, [a, b], y) {
      context.lineWidth = 2;
      context.beginPath();
      if (y) {
        for (const [dx, dy] of [[4, 4], [4, -4]]) {
          context.moveTo(a - dx, b - dy);
          context.lineTo(a + dx, b + dy);
        }
        context.strokeStyle = dark() ? "#e3d9ff" : "#3b1a6b";
        context.stroke();
      } else {
        context.arc(a, b, 4.5, 0, 2 * Math.PI);
        context.fillStyle = dark() ? "#ffd9a8" : "#b35806";
        context.strokeStyle = dark() ? "#3a2206" : "#fff";
        context.fill();
        context.lineWidth = 1;
        context.stroke();
      }
    }

    const chart = canvas("The loss against the steps", [300, 150], (context) => {
      const ink = colour("--pst-color-text-muted"), [left, right, top, low] = [34, 292, 12, 124];
      const most = Math.max(0.8, ...losses), span = Math.max(100, losses.length);
      const place = (t, loss) => [left + ((right - left) * t) / span, low - ((low - top) * loss) / most];
      context.font = "12px system-ui, sans-serif";
      [context.fillStyle, context.strokeStyle] = [ink, ink];
      context.textAlign = "right";
      for (const loss of [0, Math.LN2]) {
        const [, y] = place(0, loss);
        context.fillText(loss ? "0.69" : "0", left - 6, y + 4);
        context.setLineDash(loss ? [3, 4] : []);
        context.beginPath();
        context.moveTo(left, y);
        context.lineTo(right, y);
        context.stroke();
      }
      context.setLineDash([]);
      context.fillText(`${span} steps`, right, low + 17);
      context.textAlign = "left";
      context.fillText("loss (nats); dashed: a coin", left, low + 17);
      context.strokeStyle = colour("--pst-color-primary");
      context.lineWidth = 2;
      context.beginPath();
      losses.forEach((loss, t) => context.lineTo(...place(t, loss)));
      context.stroke();
    });

    const says = h("p", { class: "live-status", role: "status" });
    const train = button("Train", () => (running ? pause() : run()), "");
    const X = () => points.map((point) => point.x), y = () => points.map((point) => point.y);

    function tell(done = false) {
      const count = points.length, right = count - now.wrong;
      const shape = depth ? `${depth === 1 ? "one hidden layer" : "two hidden layers"} of ${width} ${activation} unit${width > 1 ? "s" : ""}` : "no hidden layer";
      const judged = count ? `the loss is ${now.loss.toFixed(3)}, and ${right} of ${count} points lie on their side` : "there are no points yet";
      says.setAttribute("aria-live", running ? "off" : "polite"); // nobody wants to hear each step
      says.textContent = `${steps} steps, ${shape}: ${judged}.${done ? " Training has come to its end." : ""}`;
    }

    function redraw() {
      board.redraw();
      chart.redraw();
    }

    /* Judge the network as it is now */
    function judge() {
      now = points.length ? lossAndGradient(net, X(), y()) : { loss: 0, wrong: 0 };
      tell();
      redraw();
    }

    function begin(start) {
      pause();
      net = start ?? network([2, ...Array(depth).fill(width), 2], activation, generator(seed));
      [state, steps, losses] = [{}, 0, []];
      judge();
    }

    function learn(count) {
      const [xs, ys] = [X(), y()];
      for (let i = 0; i < count && points.length; i++) {
        now = lossAndGradient(net, xs, ys);
        losses.push(now.loss);
        adam(net, now.gradient, rate, state);
        steps++;
      }
      now = points.length ? lossAndGradient(net, xs, ys) : now;
    }

    function pause() {
      running = false;
      train.textContent = "Train";
    }

    function run() {
      if (!points.length) return tell();
      running = true;
      train.textContent = "Pause";
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      let end = steps + MOST;
      (function frame() {
        if (!running || !element.isConnected) return;
        const until = performance.now() + 12; // what is left of a frame is for drawing
        do learn(calm ? 100 : 2); while (calm ? steps % 500 : performance.now() < until && steps % 10);
        const done = steps >= end || now.loss < 0.003;
        if (done) pause();
        tell(done);
        redraw();
        if (!done) setTimeout(() => requestAnimationFrame(frame), calm ? 700 : 0);
      })();
    }

    function place(at) {
      const near = points.findIndex(({ x }) => Math.hypot(x[0] - at[0], x[1] - at[1]) < 0.09);
      if (near < 0) points.push({ x: at, y: next });
      else points.splice(near, 1);
      judge();
    }

    board.addEventListener("click", (event) => place((cursor = toPlane(board.place(event)))));
    for (const change of ["focus", "blur"]) board.addEventListener(change, () => board.redraw());
    board.addEventListener("keydown", (event) => {
      const step = arrow(event);
      if (step) cursor = cursor.map((v, k) => Math.min(REACH, Math.max(-REACH, v + 0.05 * step[k] * (k ? -1 : 1))));
      else if (event.key === " " || event.key === "Enter") place([...cursor]);
      else return;
      event.preventDefault();
      board.redraw();
    });

    /* ---- Controls ----------------------------------------------------------------------------- */

    function choose(name) {
      [data, points] = [name, [...given[name]]];
      begin();
    }
    const sets = choice("Points", [["xor", "XOR"], ["circles", "circles"], ["spiral", "spiral"], ["pairs", "photographs"], ["none", "none: place your own"]], data, choose);
    const deep = choice("Hidden layers", [[0, "none"], [1, "one"], [2, "two"]], depth, (value) => { depth = Number(value); begin(); });
    const kind = choice("Activation", [["ReLU", "ReLU"], ["tanh", "tanh"]], activation, (value) => { activation = value; begin(); });
    const wide = slider("Units a layer", { min: 1, max: 24, value: width }, (value) => { width = value; begin(); });
    function stuck() {
      [depth, width, activation] = [1, 2, "ReLU"];
      deep.choose(1);
      kind.choose("ReLU");
      Object.assign(wide.querySelector("input"), { value: 2 }).dispatchEvent(new Event("input"));
      points = [...given.corners];
      for (const input of sets.querySelectorAll("input")) input.checked = false;
      begin(published(model, "stuck"));
    }
    const speed = slider("Learning rate", { min: -3, max: -0.5, step: 0.25, value: -1.5, say: (v) => (10 ** v).toPrecision(1) }, (value) => (rate = 10 ** value));
    const click = choice("A click or tap puts", CLASSES.map((name, i) => [i, name]), next, (value) => (next = Number(value)));
    const controls = (...nodes) => h("div", { class: "live-controls" }, ...nodes);
    element.append(
      controls(sets),
      controls(deep, wide),
      controls(kind, speed),
      h("div", { class: "live-side" },
        keyed(board),
        h("div", { class: "live-grow" },
          controls(train, button("One step", () => { pause(); learn(1); tell(); redraw(); }), button("New random start", () => { seed++; begin(); })),
          chart, says)),
      controls(click),
      controls(button("The page's start that gets stuck", stuck)),
    );
    begin();
  }

  widget("classifier", { forward, mount });
})();
