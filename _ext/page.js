// What a page does for its reader: links to a place are copied when they are followed, figures open
// large, the buttons of solutions say of which, and the side bar shows where one is.
(() => {
  const status = document.createElement("div");
  status.className = "visually-hidden";
  status.setAttribute("role", "status");

  async function copy(link) {
    try {
      await navigator.clipboard.writeText(link.href);
    } catch {
      return; // the browser does not let us: the link leads there all the same
    }
    link.classList.add("copied");
    status.textContent = "The link was copied.";
    setTimeout(() => {
      link.classList.remove("copied");
      status.textContent = "";
    }, 2000);
  }

  // ---- Figures ----

  function button(words, sign, action) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = sign;
    if (sign !== words) made.setAttribute("aria-label", words);
    made.addEventListener("click", action);
    return made;
  }

  function enlarge(link) {
    const figure = link.closest("figure");
    const image = figure.querySelector("img").cloneNode();
    const name = figure.querySelector(".caption-number")?.textContent.trim() || "Figure";
    const caption = figure.querySelector("figcaption")?.cloneNode(true);
    caption?.querySelectorAll(".headerlink").forEach((node) => node.remove());

    const dialog = document.createElement("dialog");
    dialog.className = "enlarged";
    dialog.setAttribute("aria-label", `${name}, enlarged`);
    const view = document.createElement("div");
    view.className = "enlarged-view";
    view.tabIndex = 0;
    view.setAttribute("role", "group");
    view.setAttribute("aria-label", `${name}; it can be scrolled`);
    view.append(image);

    image.removeAttribute("loading");
    // On a phone the width is filled, and the rest scrolled to; on a larger screen all is in view.
    const small = matchMedia("(max-width: 767.98px)").matches;
    const shape = image.naturalWidth / image.naturalHeight || Infinity;
    const fits = () => (small ? view.clientWidth : Math.min(view.clientWidth, view.clientHeight * shape));
    let width = 0;
    const zoom = (factor) => {
      const before = width || fits();
      const [x, y] = [view.scrollLeft + view.clientWidth / 2, view.scrollTop + view.clientHeight / 2];
      width = Math.min(Math.max(before * factor, fits()), 6 * fits());
      image.style.width = `${width}px`;
      view.scrollTo(x * (width / before) - view.clientWidth / 2, y * (width / before) - view.clientHeight / 2);
    };
    const bar = document.createElement("div");
    bar.className = "enlarged-bar";
    bar.append(
      button("Smaller", "−", () => zoom(1 / 1.5)),
      button("Larger", "+", () => zoom(1.5)),
      button("Close", "Close", () => dialog.close()),
    );
    dialog.append(bar, view);
    if (caption) dialog.append(caption);
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "+" || event.key === "=") zoom(1.5);
      if (event.key === "-") zoom(1 / 1.5);
      if (event.key === "Escape") dialog.close(); // a browser that emulates a phone does not
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      link.focus();
    });
    figure.after(dialog); // where the style of the text's figures holds
    dialog.showModal();
    zoom(small ? Math.max(1, (image.naturalWidth || 2 * fits()) / fits()) : 1); // its text in its own size
    view.scrollTo(0, 0);
    view.focus();
  }

  // ---- Solutions ----

  // The button is made by a script of its own, which names all of them "Toggle hidden content".
  function name(toggle, exercise) {
    const title = exercise.querySelector(".admonition-title").innerText.replace(/#\s*$/, "").trim();
    const words = `${toggle.dataset.toggleHint} to ${title}`;
    if (toggle.getAttribute("aria-label") !== words) toggle.setAttribute("aria-label", words);
  }

  // ---- The side bar ----

  function showCurrent() {
    const bar = document.querySelector(".bd-sidebar-primary");
    const current = [...document.querySelectorAll(".bd-docs-nav li.active > a")].pop();
    if (!current) return;
    const drawer = current.closest("dialog"); // on a phone
    if (drawer) {
      current.scrollIntoView({ block: "center" });
      return;
    }
    const [box, own] = [bar.getBoundingClientRect(), current.getBoundingClientRect()];
    const list = bar.querySelector(".bd-docs-nav").closest(".sidebar-primary-item");
    const above = list.previousElementSibling; // logo and search stay above the list
    const top = Math.max(box.top, above?.getBoundingClientRect().bottom ?? 0);
    if (own.top < top || own.bottom > box.bottom) {
      bar.scrollTop += own.top - (top + box.bottom) / 2;
    }
  }

  // What an address leads to may stand in something that is folded.
  function unfold() {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let up = place; up; up = up.parentElement) if (up.localName === "details") up.open = true;
  }

  addEventListener("hashchange", unfold);
  document.addEventListener("click", (event) => {
    const { target } = event;
    const link = target.closest("a.headerlink");
    if (link) copy(link);
    if (target.closest(".primary-toggle")) setTimeout(showCurrent, 100);
    if (target.closest("dialog a[href^='#']")) target.closest("dialog").close(); // the contents, on a phone
    const picture = target.closest("article figure > img");
    const wanted = picture ? picture.parentElement.querySelector("a.enlarge") : target.closest("a.enlarge");
    if (wanted && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      enlarge(wanted);
    }
  });
  addEventListener("load", () => {
    document.body.append(status);
    const exercises = document.querySelectorAll(".admonition.exercise"); // each has one solution
    document.querySelectorAll(".solution .toggle-button").forEach((toggle, at) => {
      name(toggle, exercises[at]);
      new MutationObserver(() => name(toggle, exercises[at])).observe(toggle, { attributes: true });
    });
    showCurrent();
    unfold();
  });
})();
