// The article of a page of the site as it would be printed, as XHTML: what the style for paper hides
// is not in it, and what folds is open, but for the folded code that is no part of the lesson.
async () => {
  await window.MathJax?.startup?.promise;
  await document.fonts.ready;
  const article = document.querySelector("article.bd-article");
  dispatchEvent(new Event("beforeprint")); // opens solutions, and sets the light theme
  article.querySelectorAll("details:not(.fold)").forEach((fold) => (fold.open = true));
  const all = [...article.querySelectorAll(":not(svg *, math *)")];
  // (The theme prints the title of a page from elsewhere, and hides this one.)
  const hidden = (node) => node.tagName !== "H1" && getComputedStyle(node).display === "none";
  all.filter(hidden).forEach((node) => node.remove());
  article
    .querySelectorAll("script, style, template, button, input, select, output, form, label")
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
    if (image.naturalWidth === 0) await image.decode().catch(() => {}); // it waited to be seen
    if (!image.hasAttribute("width") && image.naturalWidth) image.width = image.naturalWidth;
    for (const name of ["srcset", "sizes", "loading", "decoding"]) image.removeAttribute(name);
  }
  for (const link of article.querySelectorAll("a[href]")) link.setAttribute("href", link.href);
  // MathJax writes its style while it sets formulas.
  const made = [...document.styleSheets].filter((sheet) => sheet.ownerNode.id === "MJX-CHTML-styles");
  return {
    article: new XMLSerializer().serializeToString(article),
    sheets: [...document.querySelectorAll("link[rel=stylesheet]")].map((link) => link.href),
    style: made.flatMap((sheet) => [...sheet.cssRules].map((rule) => rule.cssText)).join("\n"),
    address: document.querySelector("link[rel=canonical]").href,
  };
}
