// Guess first: verdicts are hidden until the reader has guessed. It runs in the page's head, so that
// none flashes: a style sheet of its own hides all that carries a claim's mark but no guess. What the
// reader chose and guessed is kept in the browser; where that is forbidden, it holds for this page.
(() => {
  const CLAIMS = document.querySelector("meta[name=book-claims]").content.split(" ").filter(Boolean);
  const KEY = "book-guess-first";
  const WORDS = { supported: "Supported", refuted: "Refuted", depends: "It depends" };
  const HOSTS = ".claim-card.claim-of, .ledger-page .ledger-entry";
  const root = document.documentElement;
  const sheet = document.head.appendChild(document.createElement("style"));
  let state = { on: false, guesses: {} };

  function load() {
    try {
      const kept = JSON.parse(localStorage.getItem(KEY)) ?? {};
      state = { on: kept.on === true, guesses: {} };
      for (const [id, guess] of Object.entries(kept.guesses ?? {})) {
        if (/^[\w-]+$/.test(id) && Object.hasOwn(WORDS, guess)) state.guesses[id] = guess;
      }
    } catch {
      // forbidden, or not ours: what this page has is kept
    }
  }

  function save() {
    try {
      localStorage.setItem(KEY, JSON.stringify(state));
    } catch {
      // as above
    }
  }

  const idOf = (host) => host.id.replace(/^(trial|claim)-/, "");
  const verdictOf = (host) =>
    Object.keys(WORDS).find((v) => host.matches(`.claim-${v}, .is-${v}`));
  const right = (host) => state.guesses[idOf(host)] === verdictOf(host);

  function hide() {
    const known = Object.keys(state.guesses).map((id) => `.of-${id}`).join(", ") || ".none";
    root.classList.toggle("guess-first", state.on);
    root.classList.toggle("all-guessed", CLAIMS.every((id) => id in state.guesses));
    const hidden = `.guess-first .claim-card.claim-of:not(${known})`;
    sheet.textContent = !state.on ? "" : `@media screen {
      .guess-first .spoils:not(${known}),
      .guess-first:not(.all-guessed) .spoils-page,
      ${hidden} > p:is(:first-of-type, :nth-of-type(n + 4)):not(.card-ledger)
        { display: none !important; }
      ${hidden} td:nth-child(n + 2) { visibility: hidden !important; }
      .guess-first .claim-of:not(${known})
        { --book-colour: #808080 !important; border-left-color: #808080 !important; }
    }`;
  }

  function element(tag, className, text) {
    const made = document.createElement(tag);
    made.className = className;
    made.textContent = text;
    return made;
  }

  // What stands under a claim's sentence: three buttons, or what the reader guessed.
  function ask(host) {
    host.querySelector(":scope > .guess")?.remove();
    if (!state.on) return null;
    const sentence = host.querySelector("em");
    const guess = state.guesses[idOf(host)];
    let box;
    if (guess) {
      const words = WORDS[guess].toLowerCase();
      box = element("p", `guess guessed ${right(host) ? "right" : "wrong"}`, "");
      box.append(element("strong", "", right(host) ? "✓ Right" : "✗ Not so"), `: you guessed “${words}”.`);
      box.tabIndex = -1;
    } else {
      box = element("div", "guess", "");
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", `Your guess: ${sentence.textContent}`);
      box.append(element("span", "guess-ask", "Your guess:"));
      for (const [verdict, text] of Object.entries(WORDS)) {
        const button = element("button", "", text);
        button.type = "button";
        button.dataset.guess = verdict;
        box.append(button);
      }
    }
    sentence.closest("p").after(box);
    return box;
  }

  function score(hosts) {
    const guessed = hosts.filter((host) => idOf(host) in state.guesses);
    if (!state.on || !guessed.length) return "";
    return `${guessed.length} of ${hosts.length} guessed, ${guessed.filter(right).length} right.`;
  }

  function tell() {
    const hosts = [...document.querySelectorAll(HOSTS)];
    for (const button of document.querySelectorAll(".guess-switch")) {
      button.setAttribute("aria-pressed", String(state.on));
    }
    for (const bar of document.querySelectorAll(".guess-bar")) {
      bar.querySelector(".guess-score").textContent = score(hosts);
      bar.querySelector(".guess-again")?.remove();
      if (state.on && Object.keys(state.guesses).length && bar.closest(".on-trial") === null) {
        const again = element("button", "guess-again", "Start again");
        again.type = "button";
        bar.append(again);
      }
    }
    for (const part of document.querySelectorAll(".ledger-part")) {
      const said = score([...part.querySelectorAll(".ledger-entry")]);
      part.querySelector(".guess-part")?.remove();
      if (said) part.querySelector("h2").after(element("p", "guess-part", said));
    }
  }

  function draw() {
    hide();
    document.querySelectorAll(HOSTS).forEach(ask);
    tell();
    window.dispatchEvent(new Event("guesschange"));
  }

  load();
  hide();
  root.classList.add("guess-works");
  document.addEventListener("DOMContentLoaded", draw);
  const reload = () => { load(); draw(); };
  window.addEventListener("storage", (event) => event.key === KEY && reload());
  window.addEventListener("pageshow", (event) => event.persisted && reload());
  document.addEventListener("click", (event) => {
    const { target } = event;
    if (target.closest(".guess-switch")) {
      state.on = !state.on;
    } else if (target.closest(".guess-again")) {
      state.guesses = {};
    } else if (target.closest(".guess [data-guess]")) {
      const host = target.closest(HOSTS);
      state.guesses[idOf(host)] = target.closest("[data-guess]").dataset.guess;
      save();
      hide();
      ask(host).focus({ preventScroll: true });
      tell();
      return;
    } else {
      return;
    }
    save();
    draw();
    document.querySelector(".guess-switch")?.focus({ preventScroll: true });
  });
})();
