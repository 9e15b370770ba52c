// Offer to go on where the reader was. It stands below its paragraph, so that nothing moves.
(() => {
  let place = null;
  try {
    place = JSON.parse(localStorage.getItem("book-place"));
  } catch {
    // storage is forbidden, or holds something else
  }
  if (!/^chapters(\/[\w-]+)+$/.test(place?.page)) return;
  const offer = document.querySelector(".continue");
  const link = document.createElement("a");
  link.href = `${place.page}.html${place.id ? `#${encodeURIComponent(place.id)}` : ""}`;
  link.textContent = place.section ? `${place.title}: ${place.section}` : String(place.title);
  offer.append("Continue where you were: ", link);
  offer.hidden = false;
})();
