/* Attention pooling of numbers with a Gaussian kernel, as in chapters/attention/attention-pooling. */
(() => {
  "use strict";
  const { h, softmax, canvas, slider, colour, widget } = window.bookLive;

  /* ---- The model ------------------------------------------------------------------------------ */

  /* input: the `query` and the `width`. output: Σ α_i v_i, and the effective number of keys. */
  function forward(model, { query, width }) {
    const keys = model.tensor("keys"), values = model.tensor("values");
    const weights = softmax(Float64Array.from(keys, (k) => -((query - k) ** 2) / (2 * width ** 2)));
    let output = 0, entropy = 0;
    weights.forEach((weight, i) => {
      output += weight * values[i];
      if (weight > 0) entropy -= weight * Math.log(weight);
    });
    return { weights, output: [output], effective: [Math.exp(entropy)] };
  }

  /* ---- What the reader sees ------------------------------------------------------------------- */

  const [WIDTH, HEIGHT, LOW, HIGH, TOP] = [480, 300, 17, 41, 360];
  const x = (key) => ((key - LOW) / (HIGH - LOW)) * WIDTH;
  const y = (value) => HEIGHT * (1 - value / TOP);

  function mount(element, model) {
    const keys = model.tensor("keys"), values = model.tensor("values");
    let query = 30, width = 2, found, curve;

    const board = canvas("Patients, their weights, and the estimate for every query", [WIDTH, HEIGHT], (context) => {
      const largest = Math.max(...found.weights);
      found.weights.forEach((weight, i) => {
        context.globalAlpha = 0.25 + (0.6 * weight) / largest;
        context.fillStyle = colour("--live-minus");
        context.beginPath();
        context.arc(x(keys[i]), y(values[i]), 1.5 + 18 * Math.sqrt(weight), 0, 2 * Math.PI);
        context.fill();
      });
      context.globalAlpha = 1;
      context.strokeStyle = colour("--pst-color-text-base");
      context.lineWidth = 2;
      context.beginPath();
      curve.forEach(([key, value]) => context.lineTo(x(key), y(value)));
      context.stroke();
      context.strokeStyle = context.fillStyle = colour("--live-plus");
      context.beginPath();
      context.moveTo(x(query), 0);
      context.lineTo(x(query), HEIGHT);
      context.stroke();
      context.beginPath();
      context.arc(x(query), y(found.output[0]), 6, 0, 2 * Math.PI);
      context.fill();
    });
    const says = h("p", { class: "live-status", role: "status" });

    function update(wider) {
      found = forward(model, { query, width });
      if (wider) curve = Array.from({ length: 121 }, (_, i) => LOW + (i * (HIGH - LOW)) / 120).map((key) => [key, forward(model, { query: key, width }).output[0]]);
      board.redraw();
      says.textContent = `Estimate ${Math.round(found.output[0])}, as if from ${found.effective[0].toFixed(1)} patients of ${keys.length}.`;
    }

    const inWords = (power) => `${(10 ** power).toFixed(power < 0 ? 2 : 1)} kg/m²`;
    element.append(
      h("div", { class: "live-controls" },
        slider("Query: BMI", { min: LOW, max: HIGH, step: 0.1, value: query, say: (v) => `${v.toFixed(1)} kg/m²` }, (v) => { query = v; update(false); }),
        slider("Width", { min: -1.5, max: 1.5, step: 0.05, value: Math.log10(width), say: inWords }, (v) => { width = 10 ** v; update(true); })),
      board, says,
      h("p", { class: "live-note" }, "From left to right: BMI from 17 to 41. Upwards: progression from 0 to 360."));
    update(true);
  }

  widget("pooling", { forward, mount });
})();
