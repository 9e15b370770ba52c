/* The button of a live model. All that it needs is fetched when it is pressed: what all models share,
   the model's own script, and its weights (_ext/live/). */
(() => {
  "use strict";
  const folder = new URL("live/", document.currentScript.src);
  const waiting = {};

  /* A script element works where files are opened from disk. What did not come is asked for again. */
  window.bookLiveScript = (name) => (waiting[name] ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(name, folder);
    script.onload = resolve;
    script.onerror = () => { delete waiting[name]; script.remove(); reject(new Error(name)); };
    document.head.append(script);
  }));

  function offer(place) {
    const button = document.createElement("button"), told = document.createElement("p");
    button.type = "button";
    button.className = "live-button";
    button.textContent = `Run it here (${place.dataset.kilobytes} kB)`;
    told.className = "live-note";
    told.setAttribute("role", "status");
    button.addEventListener("click", async () => {
      button.disabled = true;
      told.textContent = "Loading …";
      try {
        await window.bookLiveScript("core.js");
        await window.bookLiveScript(`${place.dataset.live}.js`);
        await window.bookLive.start(place);
        button.remove();
        told.remove();
      } catch (error) {
        button.disabled = false;
        told.textContent = "The model could not be loaded. Try again, or reload the page.";
        throw error;
      }
    });
    const still = place.querySelector(".live-still");
    if (still) still.before(button, told);
    else place.append(button, told);
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".live[data-live]").forEach(offer));
})();
