/* The GPT of chapters/attention/transformer: what each head looks at, which character comes next,
   what it writes, and what changes when heads are switched off. */
(() => {
  "use strict";
  const live = window.bookLive;

  /* ---- The model ----------------------------------------------------------------------------- */

  /* The error function, to 2e-7 (Abramowitz and Stegun 7.1.26), and GELU(x) = x Φ(x). */
  function erf(x) {
    const t = 1 / (1 + 0.3275911 * Math.abs(x));
    const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return Math.sign(x) * (1 - series * Math.exp(-x * x));
  }
  const gelu = (x) => (x / 2) * (1 + erf(x / Math.SQRT2));

  /* Rotary positions: features 2j and 2j + 1 of position i are turned by i / 10000^(2j/size). */
  function rotate(vector, position) {
    for (let j = 0; j < vector.length; j += 2) {
      const angle = position * 10000 ** (-j / vector.length), [a, b] = [vector[j], vector[j + 1]];
      vector[j] = a * Math.cos(angle) - b * Math.sin(angle);
      vector[j + 1] = a * Math.sin(angle) + b * Math.cos(angle);
    }
  }

  /* Causal attention of all heads: softmax(QKᵀ/√size)V. Writes what a head says into its columns of
     the result, zeros for one that is switched off; the last position's weights come beside it. */
  function attend(X, n, heads, off, layer) {
    const d = X.length / n / 3, size = d / heads;
    const out = new Float32Array(n * d), looks = [];
    const part = (i, which, head) => X.subarray(i * 3 * d + which * d + head * size, i * 3 * d + which * d + (head + 1) * size);
    for (let head = 0; head < heads; head++) {
      let weights;
      for (let i = 0; i < n; i++) for (const which of [0, 1]) rotate(part(i, which, head), i);
      for (let i = 0; i < n; i++) {
        const q = part(i, 0, head), scores = new Float32Array(i + 1);
        for (let j = 0; j <= i; j++) {
          const k = part(j, 1, head);
          for (let f = 0; f < size; f++) scores[j] += q[f] * k[f];
          scores[j] /= Math.sqrt(size);
        }
        weights = live.softmax(scores);
        if (off.some(([l, h]) => l === layer && h === head)) continue;
        for (let j = 0; j <= i; j++) {
          const v = part(j, 2, head);
          for (let f = 0; f < size; f++) out[i * d + head * size + f] += weights[j] * v[f];
        }
      }
      looks.push(weights);
    }
    return [out, looks];
  }

  /* input: {text} or {tokens} (bytes), and the heads that are `off` as [block, head].
     Gives the logits after the last byte, the last byte's attention by block and head, and the bits
     that each byte but the first has cost. Only the last `context` bytes are seen. */
  function forward(model, { text, tokens, off = [] }) {
    const { heads, blocks, context } = model.meta;
    const seen = (tokens ?? bytesOf(text)).slice(-context), n = seen.length;
    const table = model.tensor("embed.weight"), d = table.shape[1];
    let X = new Float32Array(n * d);
    seen.forEach((token, i) => X.set(table.subarray(token * d, (token + 1) * d), i * d));
    const attention = [];
    for (let b = 0; b < blocks; b++) {
      const of = (name) => model.tensor(`blocks.${b}.${name}`);
      const linear = (Y, name) => live.linear(Y, of(`${name}.weight`), of(`${name}.bias`));
      const norm = (name) => live.layerNorm(X, of(`${name}.weight`), of(`${name}.bias`));
      const add = (Y) => { X = X.map((x, i) => x + Y[i]); };
      const QKV = live.linear(norm("norm1"), of("self_attn.in_proj_weight"), of("self_attn.in_proj_bias"));
      const [said, looks] = attend(QKV, n, heads, off, b);
      add(linear(said, "self_attn.out_proj"));
      add(linear(linear(norm("norm2"), "linear1").map(gelu), "linear2"));
      attention.push(looks);
    }
    X = live.layerNorm(X, model.tensor("norm.weight"), model.tensor("norm.bias"));
    const all = live.linear(X, table), size = table.shape[0];
    const logits = all.subarray((n - 1) * size);
    const bits = seen.slice(1).map((token, i) => -Math.log2(live.softmax(all.subarray(i * size, (i + 1) * size))[token]));
    return { seen, logits, attention, bits };
  }

  const PLAIN = { "‘": "'", "’": "'", "“": '"', "”": '"', "–": "--", "—": "--", "…": "..." };
  const bytesOf = (text) => [...new TextEncoder().encode(text.replace(/[‘’“”–—…]/g, (c) => PLAIN[c]))];

  /* A number in [0, 1) for a seed and a position, always the same. */
  function chance(seed, position) {
    let t = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(position + 1, 0x85ebca6b);
    for (const factor of [0x7feb352d, 0x846ca68b]) t = Math.imul(t ^ (t >>> 16), factor);
    return ((t ^ (t >>> 15)) >>> 0) / 2 ** 32;
  }

  /* ---- The widget ----------------------------------------------------------------------------- */

  const percent = (p) => (p >= 0.1 ? Math.round(100 * p) : (100 * p).toFixed(1)) + " %";
  const shown = (byte) => ({ 32: "␣", 10: "↵" })[byte] ?? (byte > 32 && byte < 127 ? String.fromCharCode(byte) : "�");
  const said = (byte) => ({ 32: "space", 10: "new line" })[byte] ?? (byte > 32 && byte < 127 ? `“${String.fromCharCode(byte)}”` : `byte ${byte}`);

  function mount(element, model) {
    const { h } = live;
    const { heads, blocks, context, known, start } = model.meta;
    const off = new Set(), before = [];
    let columns = context, last;

    const typed = h("textarea", { rows: 3, maxlength: 4000, spellcheck: "false", autocomplete: "off", autocapitalize: "off" }, start);
    const status = h("p", { class: "live-status", "aria-live": "polite" });
    const map = h("div", { class: "live-map" });
    const bars = h("ol", { class: "live-bars" });
    const moved = h("p", { class: "live-note" });
    const temperature = h("input", { type: "range", min: 0.1, max: 2, step: 0.1, value: 1 });
    const degree = h("output", {}, "1.0");
    const seed = h("input", { type: "number", min: 0, max: 999999, value: 1 });
    const heat = (w) => `color-mix(in oklab, var(--live-plus) ${Math.round(100 * Math.sqrt(w))}%, var(--live-zero))`;
    const cold = (bits) => `color-mix(in oklab, var(--live-minus) ${Math.round(100 * Math.min(1, bits / 8))}%, var(--live-zero))`;

    const chosen = () => [...off].map((key) => key.split(".").map(Number));
    const spread = (logits) => live.softmax(logits.map((l) => l / Number(temperature.value)));

    function headButton(b, head) {
      const key = `${b}.${head}`;
      return h("button", { type: "button", class: "live-head", "data-head": key, "aria-pressed": String(!off.has(key)), "aria-label": `block ${b + 1}, head ${head + 1}`,
        onclick: () => { off.has(key) ? off.delete(key) : off.add(key); show(); element.querySelector(`[data-head="${key}"]`)?.focus(); } }, `${b + 1}.${head + 1}`);
    }

    /* The context in lines of `columns` characters that end with the last one; each line has a row
       of heat for every head. Only the last line, which has the switches, has rows of full height. */
    function draw({ seen, attention, bits }) {
      const lines = [], n = seen.length;
      for (let end = n - columns * Math.floor((n - 1) / columns); end <= n; end += columns) {
        const whole = end === n, blank = { "aria-hidden": "true" };
        const cut = (values) => Array.from({ length: columns }, (_, i) => values[end - columns + i]);
        const strip = (values, tint, label) => h("span", { class: "live-strip", ...(whole ? { role: "img", "aria-label": label } : blank),
          style: `--n:${columns};background-image:${live.stripes(cut(values).map((v) => (v === undefined ? "transparent" : tint(v))))}` });
        const letter = (byte, i) => h("span", { class: byte === 32 || byte === 10 ? "live-blank" : "", ...(whole && i === columns - 1 ? { "data-last": "" } : {}) }, byte === undefined ? "" : shown(byte));
        const row = (label, values, value) => [label, values, h("span", { class: "live-value", ...blank }, whole ? value : "")];
        lines.push(h("div", { class: whole ? "live-line" : "live-line live-earlier" },
          ...row(h("span", { class: "live-label", ...blank }), h("span", { class: "live-text", ...blank, style: `--n:${columns}` }, ...cut(seen).map(letter)), ""),
          ...row(h("span", { class: "live-label", ...blank }, whole ? "bits" : ""), strip([undefined, ...bits], cold, surprise(bits)), bits.length ? `mean ${mean(bits).toFixed(1)}` : ""),
          ...attention.flatMap((looks, b) => looks.flatMap((weights, head) => {
            const dark = off.has(`${b}.${head}`), top = weights.indexOf(Math.max(...weights));
            const label = `Block ${b + 1}, head ${head + 1}${dark ? ", switched off" : ""}: ${percent(weights[top])} on ${said(seen[top])}, ${back(n - 1 - top)}.`;
            const heats = strip(weights, heat, label);
            heats.classList.toggle("live-off", dark);
            return row(whole ? headButton(b, head) : h("span", { class: "live-label", ...blank }), heats, dark ? "off" : `${shown(seen[top])} ${percent(weights[top])}`);
          }))));
      }
      map.replaceChildren(...lines);
    }
    const back = (steps) => (steps === 0 ? "itself" : steps === 1 ? "the character before" : `${steps} characters back`);
    const mean = (bits) => bits.reduce((sum, b) => sum + b, 0) / bits.length;
    const surprise = (bits) => bits.length ? `Surprise: ${mean(bits).toFixed(1)} bits a character on average.` : "Surprise: nothing to predict yet.";

    /* Everything but the sentence below the map is drawn at once; it is said when all is still. */
    let saying;
    function show() {
      const bytes = bytesOf(typed.value);
      typed.setAttribute("aria-invalid", String(!bytes.length));
      if (!bytes.length) {
        clearTimeout(saying);
        status.textContent = "Type at least one character: the network predicts what comes after it.";
        return void [map, bars, moved].forEach((part) => part.replaceChildren());
      }
      last = forward(model, { tokens: bytes, off: chosen() });
      const p = spread(last.logits);
      const whole = off.size ? spread(forward(model, { tokens: bytes }).logits) : p;
      draw(last);
      const ten = [...p.keys()].sort((a, b) => p[b] - p[a]).slice(0, 10);
      const most = Math.max(p[ten[0]], ...ten.map((i) => whole[i]));
      bars.replaceChildren(...ten.map((i) => h("li", { style: `--p:${(p[i] / most).toFixed(4)};--was:${(whole[i] / most).toFixed(4)}`, class: off.size ? "live-changed" : "" },
        h("span", { class: "live-char", role: "img", "aria-label": said(i) }, shown(i)), h("span", { class: "live-bar" }), h("span", { class: "live-percent" }, percent(p[i])))));
      const shift = p.reduce((sum, v, i) => sum + Math.abs(v - whole[i]), 0) / 2;
      const names = [...off].sort().map((key) => key.split(".").map((k) => Number(k) + 1).join("."));
      moved.textContent = off.size ? `Without head${off.size > 1 ? "s" : ""} ${names.join(", ")}, ${percent(shift)} of the probability has moved; outlines show where it was.` : "Switch heads off, at the left of their rows, and see what the network loses.";
      const strange = [...new Set([...typed.value].filter((c) => bytesOf(c).some((byte) => !known.includes(byte))))];
      clearTimeout(saying);
      const sentence = `Next: ${ten.slice(0, 3).map((i) => `${said(i)} ${percent(p[i])}`).join(", ")}. ${sharpest(last)}`
        + (strange.length ? ` The novels that the network has read have no ${strange.slice(0, 4).map((c) => `“${c}”`).join(", ")}: it knows nothing of ${strange.length > 1 ? "them" : "it"}.` : "");
      saying = setTimeout(() => { status.textContent = sentence; }, status.textContent ? 500 : 0);
      degree.textContent = Number(temperature.value).toFixed(1);
    }

    function sharpest({ seen, attention, bits }) {
      const all = attention.flatMap((looks, b) => looks.map((weights, head) => ({ weights, name: `${b + 1}.${head + 1}`, key: `${b}.${head}`, w: Math.max(...weights) }))).filter(({ key }) => !off.has(key));
      if (!all.length || seen.length < 2) return "";
      const top = all.reduce((a, b) => (b.w > a.w ? b : a)), at = top.weights.indexOf(top.w);
      return `Head ${top.name} looks hardest: ${percent(top.w)} on ${said(seen[at])}, ${back(seen.length - 1 - at)}. ${surprise(bits)}`;
    }

    let writing = 0;
    async function write(count) {
      const mine = ++writing;
      before.push(typed.value);
      for (let i = 0; i < count && mine === writing; i++) {
        const written = bytesOf(typed.value).length, u = chance(Number(seed.value), written);
        if (!written) return show();
        const p = spread(last.logits); // of the text as it stands
        let next = 0, sum = p[0];
        while (sum < u && next < p.length - 1) sum += p[++next];
        typed.value += String.fromCharCode(next);
        show();
        typed.scrollTop = typed.scrollHeight;
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    }
    function undo() {
      writing++;
      typed.value = before.pop() ?? start;
      show();
    }
    function only(text) {
      writing++;
      typed.value = text;
      show();
    }

    const button = (text, onclick, quiet = "") => h("button", { type: "button", class: `live-button ${quiet}`, onclick }, text);
    typed.addEventListener("input", () => { writing++; show(); });
    temperature.addEventListener("input", show);
    element.append(
      h("label", { class: "live-grow" }, `Some Austen; the network sees the last ${context} characters`, typed),
      h("div", { class: "live-controls" }, ...model.meta.starts.map((text) => button(`${text.trim()} …`, () => only(text), "live-quiet"))),
      h("p", { class: "live-part" }, h("b", {}, "What the last character looks at."), ` A row for each of the ${blocks * heads} heads, named block.head: the darker, the more attention. Above them, how many bits each character has cost the network, which guessed it from those before.`),
      map, status,
      h("div", { class: "live-two" },
        h("div", {}, h("p", { class: "live-part" }, h("b", {}, "What comes next?"), " The ten most probable characters."), bars, moved,
          button("All heads on", () => { off.clear(); show(); }, "live-quiet")),
        h("div", {}, h("p", { class: "live-part" }, h("b", {}, "Write on.")),
          h("div", { class: "live-controls" }, button("One character", () => write(1)), button("Forty characters", () => write(40)), button("Undo", undo, "live-quiet")),
          h("label", { class: "live-slider" }, "Temperature ", temperature, degree),
          h("label", { class: "live-slider" }, "Seed ", seed),
          h("p", { class: "live-note" }, "The same text, seed, temperature and heads are continued in the same way."))));
    new ResizeObserver(([{ contentRect: { width } }]) => {
      const fits = [64, 32, 22, 16].find((n) => n * 8 <= width - (width > 560 ? 120 : 44)) ?? 16;
      if (fits !== columns) { columns = fits; if (last) draw(last); }
    }).observe(map);
    show();
  }

  live.widget("gpt", { forward, mount });
})();
