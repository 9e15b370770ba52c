// Where the reader is: the chapter and its section, kept in this browser and sent to nobody. The
// front page offers to go on there (`resume.js`).
(() => {
  const root = new URL(document.documentElement.dataset.content_root || "./", location.href);
  const page = location.pathname.slice(root.pathname.length).replace(/\.html$/, "");
  const title = document.querySelector("article h1");

  // A heading without its number and its link.
  function words(heading) {
    const copy = heading.cloneNode(true);
    copy.querySelectorAll(".headerlink, .section-number").forEach((node) => node.remove());
    return copy.textContent.trim();
  }

  function note() {
    let section = null;
    for (const heading of document.querySelectorAll("article section[id] > h2")) {
      if (heading.getBoundingClientRect().top < innerHeight / 2) section = heading;
    }
    const place = { page, title: words(title) };
    if (section) Object.assign(place, { id: section.parentElement.id, section: words(section) });
    try {
      localStorage.setItem("book-place", JSON.stringify(place));
    } catch {
      // storage is forbidden or full: nothing is offered
    }
  }

  let waiting = 0;
  addEventListener("scroll", () => {
    clearTimeout(waiting);
    waiting = setTimeout(note, 400);
  }, { passive: true });
  addEventListener("pagehide", note);
  note();
})();
