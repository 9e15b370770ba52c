// Show the claims of one verdict; the choice is kept in the address, so that it can be linked to.
(() => {
  const filter = document.querySelector(".ledger-filter");
  const status = document.querySelector(".ledger-status");
  const buttons = [...filter.querySelectorAll("button")];

  function show(verdict) {
    let shown = 0;
    for (const part of document.querySelectorAll(".ledger-part")) {
      let here = 0;
      for (const entry of part.querySelectorAll(".ledger-entry")) {
        entry.hidden = verdict !== "all" && !entry.classList.contains(`is-${verdict}`);
        here += !entry.hidden;
      }
      part.hidden = here === 0;
      shown += here;
    }
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
    }
    const total = document.querySelectorAll(".ledger-part .ledger-entry").length;
    status.textContent = verdict === "all" ? "" : `${shown} of ${total} claims shown.`;
  }

  for (const button of buttons) {
    button.addEventListener("click", () => {
      const { verdict } = button.dataset;
      const address = new URL(location);
      address.searchParams.delete("verdict");
      if (verdict !== "all") address.searchParams.set("verdict", verdict);
      history.replaceState(null, "", address);
      show(verdict);
    });
  }

  const asked = new URLSearchParams(location.search).get("verdict");
  filter.hidden = false;
  // The entries come before this script in the page, so they are all there.
  show(buttons.some((button) => button.dataset.verdict === asked) ? asked : "all");
})();
