// @ts-check
/**
 * Puts fragments of the page in their places, and lights up what the step is about.
 *
 * @typedef {{fragments: Record<string, string>, running: boolean, stale: boolean}} Told
 */

/**
 * Replaces the content of the elements that fragments are named after; what had the focus keeps it.
 *
 * @param {Record<string, string>} fragments HTML by the id of its place
 */
export function swap(fragments) {
  const focused = document.activeElement?.id;
  for (const [name, html] of Object.entries(fragments)) {
    const place = document.getElementById(name);
    if (place) place.innerHTML = html;
  }
  if (focused && document.activeElement?.id !== focused) {
    document.getElementById(focused)?.focus({ preventScroll: true });
  }
  if ("step" in fragments || "picture" in fragments) light();
  if ("hold" in fragments || "picture" in fragments) mark();
  if ("step" in fragments) say(document.getElementById("equation")?.dataset.heard ?? "");
}

/**
 * Says something to those who listen to the page.
 *
 * @param {string} words
 */
export function say(words) {
  const heard = document.getElementById("heard");
  if (heard) heard.textContent = words;
}

/** Marks the weight or bias that is held in the picture. */
function mark() {
  const name = document.getElementById("held")?.dataset.name;
  for (const part of document.querySelectorAll("#picture [data-hold]")) {
    part.classList.toggle("bp-held", part.getAttribute("data-hold") === name);
  }
}

/** Lights up in the picture what the step computes, and dims what it has nothing to do with. */
function light() {
  const { left = "", also = "" } = document.getElementById("equation")?.dataset ?? {};
  const now = left.split(" ");
  const some = [...now, ...also.split(" ")];
  for (const part of document.querySelectorAll("#picture [data-quantity]")) {
    const names = (part.getAttribute("data-quantity") ?? "").split(" ");
    part.classList.toggle("bp-lit", names.some((name) => now.includes(name)));
    part.classList.toggle("bp-dim", !names.some((name) => some.includes(name)));
  }
  const picture = document.getElementById("picture");
  const lit = picture?.querySelector(".bp-lit")?.getBoundingClientRect();
  if (!picture || !lit) return;
  const seen = picture.getBoundingClientRect(); // which alone moves, and sideways only
  picture.scrollLeft += lit.left + lit.width / 2 - seen.left - seen.width / 2;
}
