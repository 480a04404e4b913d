"use strict";
// The server draws the page. This fetches it again and puts in the parts that have changed, so that what somebody has
// selected elsewhere stays selected.
const EVERY_MS = 1000;
const PATIENCE_MS = 5000;
const stale = document.getElementById("stale");

async function refresh() {
  const answer = await fetch(location.pathname, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of fresh.querySelectorAll("[data-live]")) {
    const old = document.getElementById(part.id);
    if (old && !old.isEqualNode(part)) old.replaceWith(document.adoptNode(part));
  }
  document.title = fresh.title;
  document.querySelector("link[rel=icon]").href = fresh.querySelector("link[rel=icon]").href;
}

async function live() {
  if (!document.hidden) {
    try {
      await refresh();
      stale.hidden = true;
    } catch {
      stale.hidden = false;
    }
  }
  setTimeout(live, EVERY_MS);
}

setTimeout(live, EVERY_MS);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh().catch(() => {});
});
