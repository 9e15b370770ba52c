/* The GRU encoder-decoder of chapters/sequences/seq2seq: a number's English name goes in, word by
   word, and French comes out; the state is drawn after every word. */
(() => {
  "use strict";
  const live = window.bookLive;
  const MOST_WORDS = 16; // the longest translation, as in the page's `greedy`

  /* ---- Names of the numbers from 0 to 9999, as num2words writes them ----------------------- */

  const SMALL = {
    en: "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
    fr: "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf",
  };
  const TENS = {
    en: "twenty thirty forty fifty sixty seventy eighty ninety",
    fr: "vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt",
  };
  for (const table of [SMALL, TENS]) for (const l of ["en", "fr"]) table[l] = table[l].split(" ");

  function english(n) {
    const rest = (size) => n % size;
    if (n < 20) return SMALL.en[n];
    if (n < 100) return TENS.en[Math.floor(n / 10) - 2] + (rest(10) ? `-${SMALL.en[rest(10)]}` : "");
    const [size, word] = n < 1000 ? [100, "hundred"] : [1000, "thousand"];
    const head = `${SMALL.en[Math.floor(n / size)]} ${word}`;
    if (!rest(size)) return head;
    return head + (rest(size) < 100 ? " and " : ", ") + english(rest(size));
  }

  /* 70 and 90 are counted on from 60 and 80; `et` stands before 1 and 11, but not after 80; only a
     round 80 and round hundreds have an s. */
  function french(n) {
    if (n < 20) return SMALL.fr[n];
    if (n === 80) return "quatre-vingts";
    if (n < 100) {
      const ten = Math.floor(n / 10);
      const rest = n % 10 + (ten === 7 || ten === 9 ? 10 : 0);
      if (!rest) return TENS.fr[ten - 2];
      return TENS.fr[ten - 2] + (ten < 8 && n % 10 === 1 ? " et " : "-") + SMALL.fr[rest];
    }
    const [size, word] = n < 1000 ? [100, "cent"] : [1000, "mille"];
    const many = Math.floor(n / size), rest = n % size;
    const head = many === 1 ? word : `${SMALL.fr[many]} ${word}${size === 100 && !rest ? "s" : ""}`;
    return rest ? `${head} ${french(rest)}` : head;
  }

  const words = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+(?:['’][\p{L}\p{N}]+)*|[^\p{L}\p{N}\s]/gu) ?? [];
  const typeset = (tokens) => tokens.join(" ").replace(/ - /g, "-").replace(/ ,/g, ",");

  /* ---- The model ----------------------------------------------------------------------------- */

  /* One step of a GRU, as nn.GRU computes it:
       r = σ(W_r x + U_r h), z = σ(W_z x + U_z h), n = tanh(W_n x + r ⊙ U_n h), h' = (1 - z) n + z h */
  function gru(model, part, x, h) {
    const from = (kind, input) => live.linear(input, model.tensor(`${part}.weight_${kind}_l0`), model.tensor(`${part}.bias_${kind}_l0`));
    const a = from("ih", x), b = from("hh", h), size = h.length;
    const sigmoid = (v) => 1 / (1 + Math.exp(-v));
    return h.map((old, i) => {
      const r = sigmoid(a[i] + b[i]), z = sigmoid(a[size + i] + b[size + i]);
      return (1 - z) * Math.tanh(a[2 * size + i] + r * b[2 * size + i]) + z * old;
    });
  }

  function row(table, i) {
    const width = table.shape[1];
    return table.subarray(i * width, (i + 1) * width);
  }

  /* input: {text} or {tokens}, and whether to `forget` the state between reading and writing.
     Gives the state after each source token and after each token fed to the decoder, the
     probabilities of what comes next at each step, and what is written (greedily). */
  function forward(model, { text, tokens, forget = false }) {
    const { source, target } = model.meta;
    const number = (token) => Math.max(source.indexOf(token), 1); // 1 is <unk>
    const read = tokens ?? [2, ...words(text).map(number), 3];
    const states = [], probabilities = [], outputs = [], written = [];
    let h = new Float32Array(model.tensor("embed_source.weight").shape[1]);
    for (const token of read) {
      h = gru(model, "encoder", row(model.tensor("embed_source.weight"), token), h);
      states.push(h);
    }
    if (forget) h = h.map(() => 0);
    for (let last = 2; last !== 3 && written.length < MOST_WORDS; ) {
      h = gru(model, "decoder", row(model.tensor("embed_target.weight"), last), h);
      const p = live.softmax(live.linear(h, model.tensor("output.weight"), model.tensor("output.bias")));
      last = p.indexOf(Math.max(...p));
      outputs.push(h);
      probabilities.push(p);
      written.push(last);
    }
    return { read, states, outputs, probabilities, written };
  }

  /* The units in an order that puts next to each other those that rise and fall together (greedily,
     over some names), so that a strip shows bands where it would else show noise. */
  function arrange(model) {
    const seen = Array.from({ length: 30 }, (_, i) => forward(model, { text: english(331 * i) })).flatMap(({ states, outputs }) => [...states, ...outputs]);
    const series = Array.from(seen[0], (_, unit) => {
      const values = seen.map((state) => state[unit]), mean = values.reduce((a, b) => a + b) / values.length;
      const size = Math.hypot(...values.map((v) => v - mean));
      return values.map((v) => (v - mean) / size);
    });
    const alike = (a, b) => series[a].reduce((sum, v, i) => sum + v * series[b][i], 0);
    const order = [0], rest = new Set(series.keys());
    for (rest.delete(0); rest.size; rest.delete(order.at(-1))) {
      const last = order.at(-1);
      order.push([...rest].reduce((best, unit) => (alike(last, unit) > alike(last, best) ? unit : best)));
    }
    return order;
  }

  /* ---- What the reader types ------------------------------------------------------------------- */

  const cut = (text) => words(text).join(" ");
  let names; // from a name, cut into tokens, to its number; made when first asked for
  const numbers = () => (names ??= new Map(Array.from({ length: 10000 }, (_, n) => [cut(english(n)), n])));

  /* The English name of what was typed, and its number if it has one; or what is wrong with it. */
  function understand(typed, vocabulary) {
    const text = typed.trim();
    if (!text) return { problem: "Type a number from 0 to 9999, in digits or in English words." };
    if (/^[\d\s,.'’+-]+$/.test(text)) {
      const digits = text.replace(/(?<=\d)[\s,'’](?=\d{3}(?!\d))/g, "");
      if (!/^\d+$/.test(digits)) return { problem: `“${text}” is no whole number: type one from 0 to 9999.` };
      if (Number(digits) > 9999) return { problem: `${text} is too large: the network has learned the names of 0 to 9999.` };
      return { name: english(Number(digits)), number: Number(digits) };
    }
    const tokens = words(text);
    const strange = [...new Set(tokens.filter((token) => !vocabulary.includes(token)))];
    if (strange.length) {
      const quoted = strange.slice(0, 4).map((word) => `“${word}”`).join(", ");
      return { problem: `The network does not know ${quoted}: it has words for the numbers from 0 to 9999 only, such as “two thousand and six”.` };
    }
    if (tokens.length > 20) return { problem: `These are ${tokens.length} words; no number up to 9999 has more than 12. Leave some out.` };
    return { name: typeset(tokens), number: numbers().get(tokens.join(" ")) };
  }

  /* ---- The widget ----------------------------------------------------------------------------- */

  const percent = (p) => (p < 0.0005 ? "0" : p < 0.0995 ? (100 * p).toFixed(1) : Math.round(100 * p)) + " %";
  const signed = (v) => (v < 0 ? "−" : "+") + Math.abs(v).toFixed(2);
  const shown = (token) => ({ "<bos>": "begin", "<eos>": "end", "-": "hyphen", ",": "comma" })[token] ?? token;

  function mount(element, model) {
    const { h } = live;
    const { source, target } = model.meta;
    const heldOut = new Set(model.meta.held_out);
    const order = arrange(model), units = (state) => order.map((unit) => state[unit]);

    const typed = h("input", { type: "text", value: "4296", maxlength: 120, autocomplete: "off", spellcheck: "false", autocapitalize: "off", enterkeyhint: "go" });
    const forget = h("input", { type: "checkbox" });
    const answer = h("div", { class: "live-answer" });
    const status = h("p", { class: "live-status", "aria-live": "polite" });
    const reading = h("ol", { class: "live-steps" }), writing = h("ol", { class: "live-steps" });
    const follow = h("input", { type: "range", min: 0, max: 64, value: 0 });
    const followed = h("output", {}, "none");

    function strip(state, before, word) {
      const biggest = state.reduce((best, v, i) => (Math.abs(v - before[i]) > Math.abs(state[best] - before[best]) ? i : best), 0);
      const label = `State after “${word}”: unit ${biggest + 1} changed most, from ${signed(before[biggest])} to ${signed(state[biggest])}.`;
      return h("span", { class: "live-strip", role: "img", "aria-label": label, style: `--n:${state.length};background-image:${live.stripes(units(state).map(colour))}` });
    }
    const colour = (v) => `color-mix(in oklab, var(--live-${v < 0 ? "minus" : "plus"}) ${Math.round(100 * Math.min(1, Math.abs(v)))}%, var(--live-zero))`;

    function step(i, word, state, before, ...more) {
      return h("li", { style: `--i:${i}`, "data-state": units(state).map((v) => v.toFixed(3)).join(" ") },
        h("span", { class: "live-word" }, shown(word)), strip(state, before, shown(word)), h("span", { class: "live-value" }), ...more);
    }

    function best(p) {
      const three = [...p.keys()].sort((a, b) => p[b] - p[a]).slice(0, 3);
      return h("ul", { class: "live-next", "aria-label": "most probable next words" }, ...three.map((token) =>
        h("li", { style: `--p:${p[token].toFixed(4)}` }, h("span", {}, shown(target[token])), " ", h("span", { class: "live-percent" }, percent(p[token])))));
    }

    function translate(note = "") {
      const { problem, name, number } = understand(typed.value, source);
      typed.setAttribute("aria-invalid", String(Boolean(problem)));
      if (problem) {
        status.textContent = problem;
        answer.replaceChildren();
        reading.replaceChildren();
        writing.replaceChildren();
        return;
      }
      const { read, states, outputs, probabilities, written } = forward(model, { text: name, forget: forget.checked });
      const zeros = states[0].map(() => 0), handed = forget.checked ? zeros : states.at(-1);
      reading.replaceChildren(...read.map((token, i) => step(i, source[token], states[i], states[i - 1] ?? zeros)));
      const fed = [2, ...written.slice(0, -1)];
      writing.replaceChildren(...fed.map((token, i) =>
        step(read.length + i, target[token], outputs[i], outputs[i - 1] ?? handed, best(probabilities[i]))));
      const tokens = written.filter((token) => token > 3 || token === 1).map((token) => target[token]);
      const ours = typeset(tokens), sure = probabilities.reduce((p, step, i) => p * step[written[i]], 1);
      const right = number === undefined ? undefined : cut(french(number)) === tokens.join(" ");
      const verdict = right === undefined ? "" : right ? "right" : "wrong";
      answer.replaceChildren(
        h("span", { lang: "en" }, name), h("span", { class: "live-arrow", "aria-hidden": "true" }, "→"),
        h("strong", { lang: "fr", class: verdict }, ours || "(nothing)"));
      status.textContent = [note, sentence(number, right, sure)].filter(Boolean).join(" ");
      trace();
    }

    function sentence(number, right, sure) {
      const certain = `The network gives its translation a probability of ${percent(sure)}.`;
      if (number === undefined) return `${certain} No number from 0 to 9999 is written like this in the book’s data, so nobody can say what is right.`;
      const known = heldOut.has(number)
        ? `${number} was held out: the network has never seen it.`
        : `${number} is among the ${10000 - heldOut.size} numbers that the network has learned from.`;
      return `${right ? "✓ Right." : `✗ Wrong: it is “${french(number)}”.`} ${certain} ${known}`;
    }

    function trace() {
      const place = Number(follow.value) - 1;
      followed.textContent = place < 0 ? "none" : `number ${order[place] + 1}`;
      element.classList.toggle("live-following", place >= 0);
      element.style.setProperty("--unit", place);
      for (const item of element.querySelectorAll("li[data-state]")) {
        item.querySelector(".live-value").textContent = place < 0 ? "" : signed(Number(item.dataset.state.split(" ")[place]));
      }
    }

    function anyHeldOut() {
      typed.value = model.meta.held_out[Math.floor(Math.random() * model.meta.held_out.length)];
      translate();
    }

    /* All numbers in a random order until one is translated wrongly, some at a time. */
    async function findMistake() {
      const shuffled = Array.from({ length: 10000 }, (_, n) => [Math.random(), n]).sort(([a], [b]) => a - b);
      for (const [tried, [, n]] of shuffled.entries()) {
        const out = forward(model, { text: english(n) }).written.slice(0, -1).map((token) => target[token]);
        if (out.join(" ") !== cut(french(n))) {
          typed.value = n;
          forget.checked = false;
          return translate(`The first mistake after ${tried} that were right.`);
        }
        if (tried % 50 === 49) {
          status.textContent = `${tried + 1} numbers tried, all right …`;
          await new Promise((resolve) => setTimeout(resolve));
        }
      }
      status.textContent = "All 10000 names are right.";
    }

    let soon;
    const later = () => { clearTimeout(soon); soon = setTimeout(translate, 400); };
    typed.addEventListener("input", later);
    forget.addEventListener("change", () => translate());
    follow.addEventListener("input", trace);
    element.append(
      h("form", { class: "live-controls", onsubmit: (event) => { event.preventDefault(); clearTimeout(soon); translate(); } },
        h("label", { class: "live-grow" }, "A number from 0 to 9999, in digits or English words", typed),
        h("button", { class: "live-button" }, "Translate"),
        h("button", { class: "live-button live-quiet", type: "button", onclick: anyHeldOut }, "One it has never seen"),
        h("button", { class: "live-button live-quiet", type: "button", onclick: findMistake }, "Find a mistake")),
      answer, status,
      h("p", { class: "live-part" }, h("b", {}, "It reads."), " Each English word changes the state: 64 numbers between ",
        h("span", { class: "live-scale" }, "−1", h("span", { "aria-hidden": "true" }), "+1"), ", a cell each."),
      reading,
      h("p", { class: "live-part" }, h("b", {}, "It writes."), " All that it has is the last state above. Each step shows the word that it was fed, the new state, and the three most probable next words; the first of them is written, and fed to the next step."),
      writing,
      h("div", { class: "live-controls" },
        h("label", { class: "live-slider" }, "Follow one unit ", follow, followed),
        h("label", { class: "live-check" }, forget, " Forget: write from zeros, not from what was read")));
    translate();
  }

  live.widget("seq2seq", { forward, mount });
  forward.names = { en: english, fr: french };
})();
