// Filters of the ledger: by text, verdict and kind of source. What is chosen stands in the address, so
// that a filtered view can be sent to someone. A claim that an address names is shown in its fold.
(() => {
  const find = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const text = find("#ledger-text");
  const status = find(".ledger-status");
  const chinese = find(".ledger-chinese");
  const openAll = find(".ledger-open");
  const entries = all(".ledger-page .ledger-entry");
  const folds = all(".ledger-page");
  const asked = new URLSearchParams(location.search);
  // Not "q": every page has Sphinx's search, which takes that for its own.
  const chosen = { find: asked.get("find") ?? "", verdict: "", source: "" };
  let timer = 0;
  let note = ""; // what the status says while nothing is filtered

  const plain = (words) => words.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "");
  const guessing = () => document.documentElement.matches(".guess-first:not(.all-guessed)");

  // While verdicts are hidden, neither they nor corrections are searched.
  function wordsOf(entry) {
    const parts = guessing() ? entry.querySelectorAll("em, .ledger-zh, .ledger-where") : [entry];
    const page = entry.closest(".ledger-page").querySelector("summary").firstChild.textContent;
    const part = entry.closest(".ledger-part").querySelector("h2").textContent;
    return plain([part, page, ...[...parts].map((p) => p.textContent)].join(" "));
  }

  function show() {
    const words = plain(chosen.find).split(/\s+/).filter(Boolean);
    const verdict = guessing() ? "" : chosen.verdict;
    const filtered = Boolean(words.length || verdict || chosen.source);
    let shown = 0;
    for (const entry of entries) {
      const fits =
        (!verdict || entry.classList.contains(`is-${verdict}`)) &&
        (!chosen.source || entry.classList.contains(`from-${chosen.source}`)) &&
        (!words.length || words.every((word) => wordsOf(entry).includes(word)));
      entry.hidden = !fits;
      shown += fits;
    }
    for (const box of [...folds, ...all(".ledger-part")]) {
      box.hidden = !box.querySelector(".ledger-entry:not([hidden])");
    }
    for (const key of ["verdict", "source"]) {
      for (const button of all(`[data-${key}]`)) {
        button.setAttribute("aria-pressed", String(button.dataset[key] === chosen[key]));
      }
    }
    status.textContent = filtered
      ? `${shown || "None"} of ${entries.length} claims ${shown === 1 ? "fits" : "fit"}.`
      : note;
    return filtered;
  }

  function open(which) {
    for (const fold of folds) fold.open = which(fold);
    openAll.setAttribute("aria-pressed", String(folds.every((fold) => fold.open)));
  }

  function filter() {
    note = "";
    const filtered = show();
    open(() => filtered);
    const address = new URL(location);
    for (const [key, value] of Object.entries(chosen)) {
      if (value) address.searchParams.set(key, value);
      else address.searchParams.delete(key);
    }
    history.replaceState(history.state, "", address);
  }

  // A claim that is tried no more is an anchor where its page's claims, or its successor, are.
  function goToTarget() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = target?.closest(".ledger-page");
    if (!fold) return;
    if (target.closest("[hidden]")) {
      Object.assign(chosen, { find: "", verdict: "", source: "" });
      text.value = "";
      filter();
    }
    fold.open = true;
    if (target.matches(".claim-gone")) {
      const name = target.id.replace("claim-", "").replaceAll("-", " ");
      note = `“${name}” is tried no more. What stands here has taken its place.`;
      show();
    }
    target.scrollIntoView();
  }

  for (const key of ["verdict", "source"]) {
    for (const button of all(`[data-${key}]`)) {
      if (button.dataset[key] === asked.get(key)) chosen[key] = asked.get(key);
      button.addEventListener("click", () => {
        chosen[key] = button.dataset[key];
        filter();
      });
    }
  }
  text.value = chosen.find;
  text.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      chosen.find = text.value.trim();
      filter();
    }, 200);
  });
  openAll.addEventListener("click", () => {
    const opening = openAll.getAttribute("aria-pressed") !== "true";
    open(() => opening);
  });

  function showChinese(yes) {
    document.documentElement.classList.toggle("no-chinese", !yes);
    chinese.setAttribute("aria-pressed", String(yes));
  }
  let kept = null;
  try {
    kept = localStorage.getItem("book-chinese");
  } catch {
    // storage is forbidden: the choice holds for this page
  }
  showChinese(kept ? kept === "shown" : navigator.language.startsWith("zh"));
  chinese.addEventListener("click", () => {
    const yes = chinese.getAttribute("aria-pressed") !== "true";
    showChinese(yes);
    try {
      localStorage.setItem("book-chinese", yes ? "shown" : "hidden");
    } catch {
      // as above
    }
  });

  // The entries come before this script in the page, so they are all there.
  const filtered = show();
  open(() => filtered);
  goToTarget();
  window.addEventListener("hashchange", goToTarget);
  window.addEventListener("guesschange", show);
})();
