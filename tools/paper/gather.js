// The article of a page of the site as it would be printed, as XHTML: what the style for paper hides
// is not in it, and what folds is open, but for the folded code that is no part of the lesson.
async () => {
  await document.fonts.ready;
  const article = document.querySelector("article.bd-article");
  dispatchEvent(new Event("beforeprint")); // opens solutions, and sets the light theme
  article.querySelectorAll("details:not(.fold)").forEach((fold) => (fold.open = true));
  const all = [...article.querySelectorAll(":not(svg *, math *)")];
  // (The theme prints the title of a page from elsewhere, and hides this one.)
  const hidden = (node) => node.tagName !== "H1" && getComputedStyle(node).display === "none";
  all.filter(hidden).forEach((node) => node.remove());
  article
    .querySelectorAll(
      "script, style, template, button, input, select, output, form, label, .sd-summary-state-marker",
    )
    .forEach((node) => node.remove());
  for (const fold of article.querySelectorAll("details")) {
    const box = document.createElement("div"); // paper does not fold
    box.className = `unfolded ${fold.className}`;
    box.id = fold.id;
    if (!box.id) box.removeAttribute("id");
    box.append(...fold.childNodes);
    fold.replaceWith(box);
  }
  for (const title of article.querySelectorAll("summary")) {
    const line = document.createElement("p");
    line.className = `summary ${title.className}`;
    line.append(...title.childNodes);
    title.replaceWith(line);
  }
  for (const image of article.querySelectorAll("img")) {
    image.src = image.src; // as an absolute address
    if (!image.hasAttribute("width")) {
      image.loading = "eager"; // one that waits to be seen would never be there
      await image.decode();
      image.width = image.naturalWidth;
    }
    for (const name of ["srcset", "sizes", "loading", "decoding"]) image.removeAttribute(name);
  }
  for (const name of ["aria-controls", "aria-describedby", "aria-details", "aria-labelledby"]) {
    for (const node of article.querySelectorAll(`[${name}]`)) {
      const there = (id) => article.querySelector(`#${CSS.escape(id)}`);
      if (!node.getAttribute(name).split(" ").every(there)) node.removeAttribute(name);
    }
  }
  for (const link of article.querySelectorAll("a[href]")) link.setAttribute("href", link.href);
  return {
    article: new XMLSerializer().serializeToString(article),
    sheets: [...document.querySelectorAll("link[rel=stylesheet]")].map((link) => link.href),
    address: document.querySelector("link[rel=canonical]").href,
  };
}
