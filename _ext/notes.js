// A link that is described by another element of the page shows that element in a box beside it: while
// the pointer is over the link or the box, while one of them has the focus, or after a tap on the link
// (a second tap follows it). Escape closes the box.
(() => {
  if (!("popover" in HTMLElement.prototype)) return; // the links lead there all the same
  const box = document.createElement("div");
  box.className = "note-box";
  box.popover = "manual";
  const margin = 8;
  let link = null;
  let waiting = 0;
  let touched = false;

  const linkAt = (event) => event.target.closest?.(".note-link");
  const inside = (event) => link && (box.contains(event.target) || link.contains(event.target));

  function place() {
    const lines = [...link.getClientRects()];
    const { clientWidth, clientHeight } = document.documentElement;
    const last = lines.at(-1);
    const above = last.bottom + box.offsetHeight + margin > clientHeight;
    const fits = above && lines[0].top > box.offsetHeight + margin;
    const top = fits ? lines[0].top - box.offsetHeight - 4 : last.bottom + 4;
    const left = Math.min((fits ? lines[0] : last).left, clientWidth - box.offsetWidth - margin);
    box.style.top = `${top + scrollY}px`;
    box.style.left = `${Math.max(left, margin) + scrollX}px`;
  }

  function show(chosen) {
    clearTimeout(waiting);
    if (link === chosen && box.matches(":popover-open")) return;
    hide();
    const note = document.getElementById(chosen.getAttribute("aria-describedby"));
    if (!note) return;
    link = chosen;
    box.replaceChildren(...note.cloneNode(true).childNodes);
    for (const named of box.querySelectorAll("[id]")) named.removeAttribute("id");
    link.after(box); // the next stop of the keyboard
    box.showPopover();
    place();
  }

  function hide() {
    clearTimeout(waiting);
    box.remove();
    link = null;
  }

  function later(what, milliseconds) {
    clearTimeout(waiting);
    waiting = setTimeout(what, milliseconds);
  }

  document.addEventListener("pointerover", (event) => {
    if (event.pointerType !== "mouse") return;
    const chosen = linkAt(event);
    if (chosen && chosen !== link) later(() => show(chosen), 200);
    else if (inside(event)) clearTimeout(waiting);
    else if (link) later(hide, 300);
    else clearTimeout(waiting);
  });
  document.addEventListener("focusin", (event) => {
    const chosen = linkAt(event);
    if (chosen?.matches(":focus-visible")) show(chosen);
    else if (!inside(event)) hide();
  });
  document.addEventListener("focusout", (event) => {
    if (link && !event.relatedTarget) later(hide, 300);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !link) return;
    if (box.contains(document.activeElement)) link.focus();
    hide();
  });
  document.addEventListener("pointerdown", (event) => {
    touched = event.pointerType !== "mouse";
    if (!inside(event)) hide();
  });
  document.addEventListener("click", (event) => {
    const chosen = linkAt(event);
    if (chosen && touched && chosen !== link) {
      event.preventDefault();
      show(chosen);
    } else if (event.target.closest?.("a")) hide();
  });
  addEventListener("resize", hide);
})();
