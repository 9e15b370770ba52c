// Fetches an animation's player, with its frames, when the animation comes near the window.
document.addEventListener("DOMContentLoaded", () => {
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        const script = document.createElement("script");
        script.src = target.dataset.player;
        script.addEventListener("load", () => target.removeAttribute("data-player"));
        document.head.append(script);
      }
    },
    { rootMargin: "600px" },
  );
  document.querySelectorAll(".animation[data-player]").forEach((box) => near.observe(box));
});
