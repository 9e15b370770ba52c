// Show all code: opens every fold of the page, and is remembered. It runs in the page's head and
// opens folds as the page is read in, before they are drawn. Paper is light: it has no dark theme.
(() => {
  const root = document.documentElement;
  const folds = document.getElementsByClassName("fold");
  let opened = 0;
  let all = false;

  function remembered() {
    try {
      return localStorage.getItem("book-all-code") === "shown";
    } catch {
      return false; // storage is forbidden: the choice holds for this page
    }
  }

  function remember() {
    try {
      if (all) localStorage.setItem("book-all-code", "shown");
      else localStorage.removeItem("book-all-code");
    } catch {
      // as above
    }
  }

  function showNew() {
    for (; all && opened < folds.length; opened += 1) folds[opened].open = true;
    const button = document.querySelector(".show-code");
    if (button) button.setAttribute("aria-pressed", String(all));
  }

  function show(choice) {
    all = choice;
    for (const fold of folds) fold.open = all;
    showNew();
  }

  // What is read stays where it is on the screen, whatever opens or closes above it.
  function inPlace(change) {
    const blocks = document.querySelectorAll("article :is(.cell, p, h2, h3, figure)");
    const header = document.querySelector(".breadcrumbs, .bd-header-article")?.getBoundingClientRect();
    const edge = Math.max(60, header?.bottom ?? 0);
    const read = [...blocks].find((block) => block.getBoundingClientRect().top > edge);
    const top = read?.getBoundingClientRect().top;
    root.style.overflowAnchor = "none"; // the browser must not move it as well
    change();
    if (read) scrollBy({ top: read.getBoundingClientRect().top - top, behavior: "instant" });
    requestAnimationFrame(() => root.style.removeProperty("overflow-anchor"));
  }

  all = remembered();
  root.classList.add("folds-work");
  const reading = new MutationObserver(showNew);
  reading.observe(root, { childList: true, subtree: true });
  document.addEventListener("DOMContentLoaded", () => {
    reading.disconnect();
    showNew();
  });
  // A page that the browser kept, shown again by "back", follows a choice made in between.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && remembered() !== all) show(remembered());
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest(".show-code")) return;
    inPlace(() => show(!all));
    remember();
    window.dispatchEvent(new Event("resize")); // the theme looks for what scrolls sideways
  });

  let theme = null;
  window.addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    root.dataset.theme = "light";
  });
  window.addEventListener("afterprint", () => {
    if (theme) root.dataset.theme = theme;
  });
})();
