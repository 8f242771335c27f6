// @ts-check
/** The shift of a weight that is held: what it gives follows the slider while that is dragged. */

import { swap } from "./swap.js";

/** Whether a shift is under way: the newest one follows it, those between are left out. */
let sliding = false;

/**
 * Shows what the place of a slider gives, and of those that it is dragged to meanwhile the last.
 *
 * @param {HTMLInputElement} dragged
 * @param {(at: HTMLInputElement) => Promise<Response>} ask
 */
export async function follow(dragged, ask) {
  if (sliding) return;
  sliding = true;
  try {
    for (let sent = "", at = dragged; sent !== at.value; at = slider(at)) {
      sent = at.value;
      show(await (await ask(at)).json(), at);
    }
  } finally {
    sliding = false;
  }
}

/**
 * Returns the slider as it is now.
 *
 * @param {HTMLInputElement} old
 */
function slider(old) {
  const now = document.getElementById("epsilon");
  return now instanceof HTMLInputElement ? now : old;
}

/**
 * Shows what a shift gives, and leaves the slider itself, which is being dragged.
 *
 * @param {import("./swap.js").Told} told
 * @param {HTMLInputElement} dragged
 */
function show(told, dragged) {
  if (!told.fragments.hold) return swap(told.fragments);
  const next = document.createElement("div");
  next.innerHTML = told.fragments.hold;
  next.querySelector("#epsilon")?.replaceWith(dragged.cloneNode());
  const group = document.getElementById("hold")?.querySelector("[data-form]");
  next.querySelector("[data-form]")?.remove();
  if (!group) return;
  while (group.nextSibling) group.nextSibling.remove();
  group.after(...next.childNodes);
}
