(() => {
  const videos = [...document.querySelectorAll("video")];
  const button = document.querySelector("#videos-toggle");
  let playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const apply = () => {
    for (const video of videos) {
      if (playing) video.play().catch(() => {});
      else video.pause();
    }
    if (button) button.textContent = playing ? "Pause all videos" : "Play all videos";
  };
  if (button && videos.length) {
    button.hidden = false;
    button.addEventListener("click", () => {
      playing = !playing;
      apply();
    });
    apply();
  }
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details")) part.open = true;
  });
})();
