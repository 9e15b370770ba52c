// The reader's choice of theme, or the system's, before anything is drawn.
(() => {
  let mode = "auto";
  try {
    mode = localStorage.getItem("mode") || mode;
  } catch {
    // storage is forbidden: the system's
  }
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.mode = mode;
  document.documentElement.dataset.theme = mode === "auto" ? (dark ? "dark" : "light") : mode;
})();
