/* What all live models share: the registry, what sets a model up, and a few operations on
   Float32Arrays with a `shape`. A widget registers with bookLive.widget(name, { forward, mount })
   and draws into the element that `mount` is given. */
window.bookLive = (() => {
  "use strict";
  const widgets = {}, models = {}, forward = {};

  /* A 16-bit float: sign, five bits of exponent, ten of fraction. */
  function half(u) {
    const sign = u >> 15 ? -1 : 1, exponent = (u >> 10) & 31, fraction = u & 1023;
    return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
  }

  /* A network: `meta`, `check`, and tensor(key), which unpacks once. */
  function unpack({ meta, tensors, check }) {
    const unpacked = {};
    function tensor(key) {
      if (!unpacked[key]) {
        const bytes = Uint8Array.from(atob(tensors[key].f16), (c) => c.charCodeAt(0));
        unpacked[key] = Float32Array.from(new Uint16Array(bytes.buffer), half);
        unpacked[key].shape = tensors[key].shape;
      }
      return unpacked[key];
    }
    return { meta, check, tensor };
  }

  /* The file of weights calls `receive`. */
  async function load(name) {
    if (!models[name]) await bookLiveScript(`weights/${name}.js`);
    return models[name];
  }

  /* ---- Operations ---------------------------------------------------------------------------- */

  /* Y = X Wᵀ + b, for each row of X; W is (outputs, inputs), as in nn.Linear. */
  function linear(X, W, b) {
    const [outputs, inputs] = W.shape, rows = X.length / inputs, Y = new Float32Array(rows * outputs);
    for (let i = 0; i < rows; i++) {
      const x = X.subarray(i * inputs, (i + 1) * inputs);
      for (let o = 0, w = 0; o < outputs; o++) {
        let sum = b ? b[o] : 0;
        for (let j = 0; j < inputs; j++) sum += x[j] * W[w++];
        Y[i * outputs + o] = sum;
      }
    }
    return Y;
  }

  /* exp(x) / Σ exp(x), with the largest taken off first so that nothing overflows. */
  function softmax(x) {
    let most = -Infinity, sum = 0;
    for (const value of x) most = Math.max(most, value);
    const e = x.map((value) => Math.exp(value - most));
    for (const value of e) sum += value;
    return e.map((value) => value / sum);
  }

  /* γ (x - mean) / √(variance + 1e-5) + β, for each row. */
  function layerNorm(X, gamma, beta) {
    const d = gamma.length, Y = new Float32Array(X.length);
    for (let i = 0; i < X.length; i += d) {
      let mean = 0, variance = 0;
      for (let j = 0; j < d; j++) mean += X[i + j] / d;
      for (let j = 0; j < d; j++) variance += (X[i + j] - mean) ** 2 / d;
      for (let j = 0; j < d; j++) Y[i + j] = (gamma[j] * (X[i + j] - mean)) / Math.sqrt(variance + 1e-5) + beta[j];
    }
    return Y;
  }

  /* ---- Drawing ------------------------------------------------------------------------------- */

  /* An element; attributes that begin with `on` are listeners, those that are undefined left out. */
  function h(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (value !== undefined) element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  /* A row of cells in these colours, as a background. */
  function stripes(colours) {
    const at = (i) => `${((100 * i) / colours.length).toFixed(3)}%`;
    return `linear-gradient(to right,${colours.map((colour, i) => `${colour} ${at(i)} ${at(i + 1)}`).join(",")})`;
  }

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  /* A drawing surface of so many pixels, sharp on dense screens; `draw(context)` draws it anew, now
     and in the other theme. With `keys`, which say what the keyboard does, it can be focused. */
  function canvas(label, [width, height], draw, keys) {
    const dense = Math.max(2, window.devicePixelRatio);
    const node = h("canvas", {
      class: "live-canvas", width: width * dense, height: height * dense, "aria-label": label,
      role: keys ? "application" : "img", "aria-description": keys, tabindex: keys && 0,
      style: `width:${width}px`,
    });
    const context = node.getContext("2d");
    node.redraw = () => {
      context.setTransform(dense, 0, 0, dense, 0, 0);
      context.clearRect(0, 0, width, height);
      draw(context);
    };
    /* Where a finger or the mouse is, in these pixels. */
    node.place = ({ clientX, clientY }) => {
      const { left, top, width: shown } = node.getBoundingClientRect();
      return [clientX - left, clientY - top].map((v) => (v * width) / shown);
    };
    new MutationObserver(node.redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return node;
  }

  /* A surface, and below it what its keys do. */
  function keyed(node) {
    const keys = node.getAttribute("aria-description");
    return h("div", {}, node, h("p", { class: "live-note live-keys", "aria-hidden": "true" }, keys));
  }

  /* Arrow keys as steps [right, down], ten times as long with Shift; other keys give undefined. */
  function arrow({ key, shiftKey }) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    return step?.map((v) => v * (shiftKey ? 10 : 1));
  }

  const button = (text, onclick, kind = "live-quiet") => h("button", { type: "button", class: `live-button ${kind}`, onclick }, text);

  /* A slider that says its value in words. */
  function slider(label, { min, max, step = 1, value, say = String }, oninput) {
    const shown = h("output", {}, say(value));
    const input = h("input", { type: "range", min, max, step, value, "aria-valuetext": say(value) });
    input.addEventListener("input", () => {
      shown.textContent = say(input.valueAsNumber);
      input.setAttribute("aria-valuetext", shown.textContent);
      oninput(input.valueAsNumber);
    });
    return h("label", { class: "live-slider" }, h("span", {}, label), input, shown);
  }

  let choices = 0;

  /* One of several: `options` is [[value, text], …]; `choose(value)` of the result chooses. */
  function choice(label, options, chosen, onchange) {
    const name = `live-choice-${choices++}`;
    const group = h("fieldset", { class: "live-choice" }, h("legend", {}, label));
    for (const [value, text] of options)
      group.append(h("label", {}, h("input", { type: "radio", name, value, onchange: () => onchange(value) }), h("span", {}, text)));
    group.choose = (value) => {
      for (const input of group.querySelectorAll("input")) input.checked = input.value === String(value);
    };
    group.choose(chosen);
    return group;
  }

  /* Set a model up in its place. */
  async function start(place) {
    const name = place.dataset.live, model = await load(name), body = h("div", { class: "live-body" });
    place.querySelector(".live-still")?.remove();
    place.append(body);
    await widgets[name].mount(body, model);
    body.querySelector("input, textarea, button")?.focus({ preventScroll: true });
  }

  return {
    forward, models, start, linear, softmax, layerNorm, h, stripes,
    colour, canvas, keyed, arrow, button, slider, choice,
    receive(name, content) { models[name] = unpack(content); },
    widget(name, widget) { widgets[name] = widget; forward[name] = widget.forward; },
  };
})();
