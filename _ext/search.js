// The search as a reader sees it: a dialog on every page (Ctrl+K, "/", or a link to the page of the
// search), the same on that page itself, and the marks where a hit leads. The index is a script of its
// own, fetched when somebody searches, and the texts another, which may come later: hits are shown
// by name at first, then again. `window.bookSearch(query)` ranks.
(() => {
  const root = document.documentElement.dataset.content_root ?? "./";
  const KINDS = { chapter: "chapter", part: "part", page: "page", section: "section", claim: "claim", term: "term", question: "question", symbol: "symbol",
    exercise: "exercise", trouble: "trouble", API: "API" };
  const NONE = "Nothing found. The glossary, the claims and the contents may help.";
  const FAILED = "The index could not be fetched. Try again.";
  const loading = {};

  function load(name) {
    loading[name] ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${root}_static/${name}.js`;
      script.onload = resolve;
      script.onerror = () => {
        delete loading[name]; // the next key tries again
        script.remove();
        reject(new Error(FAILED));
      };
      document.head.append(script);
    });
    return loading[name];
  }

  // What ranks, by name alone until the texts are there.
  async function index() {
    await load("search-index");
    return window.bookSearch;
  }

  async function whole() {
    await index();
    await load("search-texts");
    return window.bookSearch;
  }

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  const marked = (parts, text) =>
    parts(text).map(([piece, found]) => (found ? element("mark", {}, piece) : piece));

  // Whether the reader wants to guess verdicts first (guess.js).
  function guessing() {
    try {
      return JSON.parse(localStorage.getItem("book-guess-first"))?.on === true;
    } catch {
      return false; // storage is forbidden, or what is there is not ours
    }
  }

  // The sentence with most of the words that were found, and what follows it; of a claim the verdict.
  function snippet(text, parts, verdictFirst) {
    const sentences = text.match(/.+?(?:[.?!:](?=\s)|$)\s*/gsu) ?? [];
    const value = (sentence) =>
      new Set(parts(sentence).filter(([, found]) => found).map(([word]) => word.toLowerCase())).size;
    const values = sentences.map(value);
    const best = verdictFirst ? 0 : values.indexOf(Math.max(...values));
    let cut = sentences.slice(best).join("");
    const first = parts(sentences[best] ?? "").reduce(
      ([at, done], [piece, found]) => (done || found ? [at, true] : [at + piece.length, false]),
      [0, false],
    )[0];
    let before = best > 0 ? "… " : "";
    if (first > 120) {
      cut = cut.slice(first - 60).replace(/^\S*\s/, "");
      before = "… ";
    }
    return before + (cut.length > 180 ? `${cut.slice(0, 180).replace(/\s\S*$/, "")} …` : cut);
  }

  function hit(entry, query, parts) {
    const url = `${root}${entry.url}?found=${encodeURIComponent(query)}#${entry.anchor}`;
    const where = ["chapter", "part", "page"].includes(entry.kind) ? [] : [entry.page, entry.section].filter(Boolean);
    const about = element("span", { class: "search-where" });
    about.append(element("span", { class: "search-kind" }, KINDS[entry.kind]), ` ${where.join(" › ")}`);
    const title = element("span", { class: "search-title" }, ...marked(parts, entry.title));
    const text = entry.kind === "claim" && guessing() ? "" : snippet(entry.text, parts, entry.kind === "claim");
    const link = element("a", { href: url }, title, " ", about);
    if (text) link.append(" ", element("span", { class: "search-snippet" }, ...marked(parts, text)));
    return element("li", {}, link);
  }

  // The field, what it says to screen readers, and the list of hits.
  function searcher() {
    const input = element("input", { type: "search", name: "q", placeholder: "Search the book",
      "aria-label": "Search the book", autocomplete: "off", autocapitalize: "off", spellcheck: "false",
      enterkeyhint: "go" });
    const status = element("p", { class: "search-status", role: "status" });
    const list = element("ol", { class: "search-hits", "aria-label": "Hits" });
    const form = element("form", { role: "search", action: `${root}search.html` }, input);
    const box = element("div", { class: "search-box" }, form, status, list);
    const links = () => [...list.querySelectorAll("a")];
    const inHits = () => list.contains(document.activeElement); // they stay where a reader is among them
    let waiting = false; // Enter was pressed before the hits were there
    let saying;

    function say(text) { // once the reader pauses: a screen reader is not to read each number
      clearTimeout(saying);
      saying = setTimeout(() => { status.textContent = text; }, 250);
    }

    async function show() {
      const query = input.value;
      let search;
      try {
        search = await index();
      } catch (error) {
        say(error.message);
        return;
      }
      if (query !== input.value) return;
      const { hits, parts } = query.trim() ? search(query) : { hits: [] };
      list.replaceChildren(...hits.map((entry) => hit(entry, query.trim(), parts)));
      list.dataset.query = query;
      list.dataset.whole = search.whole;
      if (!query.trim()) say("");
      else if (hits.length === 0) say(NONE);
      else say(`${hits.length === 1 ? "1 hit" : `${hits.length} hits`}, best first.`);
      if (search.whole) {
        if (waiting) go();
        return;
      }
      const again = () => list.dataset.query === input.value && list.dataset.whole !== "true" && !inHits() && show();
      whole().then(again, () => waiting && go()); // by name is better than nothing
    }

    function go() {
      waiting = list.dataset.query !== input.value;
      if (!waiting) links()[0]?.click();
    }

    input.addEventListener("input", show);
    input.addEventListener("focus", () => whole().catch(() => {}), { once: true });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      go();
    });
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && dialog?.open) {
        event.preventDefault(); // the browser would empty the field first
        dialog.close();
      }
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      const stops = [input, ...links()];
      const next = stops[stops.indexOf(document.activeElement) + step];
      if (next) next.focus();
      event.preventDefault();
    });
    return { box, input, show };
  }

  let dialog;
  function open() {
    if (!dialog) {
      const { box, input, show } = searcher();
      const close = element("button", { type: "button", class: "search-close" }, "Close");
      dialog = element("dialog", { class: "search-dialog", "aria-label": "Search" }, box, close);
      close.addEventListener("click", () => dialog.close());
      dialog.addEventListener("click", (event) => {
        const link = event.target.closest(".search-hits a");
        if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab
        if (link || event.target === dialog) dialog.close();
        if (link?.pathname !== location.pathname) return;
        event.preventDefault(); // it is on this page
        location.hash = link.hash;
        mark(new URL(link.href).searchParams.get("found"));
      });
      document.body.append(dialog);
      dialog.input = input;
      input.addEventListener("focus", show, { once: true });
    }
    dialog.showModal();
    dialog.input.focus();
    dialog.input.select();
  }

  // On arrival from a hit, whose address says what was asked for.
  function arrive() {
    const address = new URL(location);
    const query = address.searchParams.get("found");
    if (!query) return;
    address.searchParams.delete("found");
    history.replaceState(history.state, "", address); // what is bookmarked has no words in it
    mark(query);
  }

  function unmark() {
    document.querySelector(".search-found")?.classList.remove("search-found");
    globalThis.CSS?.highlights?.delete("search");
  }

  // The place that the address names is focused and framed, the words are marked, until Escape.
  async function mark(query) {
    const anchor = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!anchor) return;
    unmark();
    for (let up = anchor; up; up = up.parentElement) if (up.localName === "details") up.open = true;
    const place = anchor.matches("section, h1, h2, h3, span:empty")
      ? anchor.querySelector("h1, h2, h3, h4") ?? anchor : anchor;
    place.classList.add("search-found");
    place.tabIndex = -1;
    place.focus({ preventScroll: true });
    const scroll = () => place.scrollIntoView({ block: "start", behavior: "instant" });
    scroll();
    if (document.readyState !== "complete") addEventListener("load", scroll, { once: true });
    if (!CSS.highlights) return; // an older browser frames the place, without the words
    const { parts } = (await whole())(query);
    const walker = document.createTreeWalker(anchor, NodeFilter.SHOW_TEXT);
    const ranges = [];
    while (walker.nextNode()) {
      const node = walker.currentNode;
      if (node.parentElement.closest("script, style, pre, .katex")) continue;
      let at = 0;
      for (const [piece, found] of parts(node.data)) {
        if (found) ranges.push(new StaticRange({ startContainer: node, startOffset: at, endContainer: node,
          endOffset: at + piece.length }));
        at += piece.length;
      }
    }
    CSS.highlights.set("search", new Highlight(...ranges));
  }

  const page = document.querySelector(".search-page");
  if (page) {
    const { box, input, show } = searcher();
    page.replaceChildren(box);
    input.value = new URLSearchParams(location.search).get("q") ?? "";
    input.focus();
    if (input.value) show();
  }
  document.addEventListener("click", (event) => {
    if (page || !event.target.closest("a.search-open") || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    open();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !dialog?.open) unmark();
    const writing = event.target.closest?.("input, textarea, select, [contenteditable]");
    const asked = (event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !writing);
    if (!asked || event.altKey) return;
    event.preventDefault();
    if (page) page.querySelector("input").focus();
    else if (!dialog?.open) open();
  });
  arrive();
})();
