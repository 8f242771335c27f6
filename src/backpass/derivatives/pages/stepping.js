// @ts-check
/**
 * Goes through the steps of a page, forwards and backwards: by buttons, keys and links. The page of
 * `backpass play`, whose steps its server makes, shares the buttons and keys.
 *
 * It finds what it needs by data attributes inside an element with `data-stepper`: the steps
 * (`data-step`, each with an id), the controls (`data-controls`, hidden without this script) with
 * their buttons (`data-go` is first, back, next or last), the progress (`data-progress`), the words
 * for screen readers (`data-heard`), and in a picture what a step is about: an element whose
 * `data-quantity` holds the step's `data-about`. Which step is shown is the fragment of the address,
 * so that style sheets light up what belongs to it, and links lead to it, without this script, too.
 */

/**
 * Takes buttons (`data-go`, in `controls`) and keys to `go`, as first, back, next, last or what else a
 * button or one of `more` keys says, for as long as `root` is in the page.
 *
 * @param {HTMLElement} root
 * @param {Element} controls
 * @param {(where: string) => void} go
 * @param {Record<string, string>} more
 */
export function listen(root, controls, go, more = {}) {
  /** @type {Record<string, string>} */
  const keys = { ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last", ...more };

  /** @param {KeyboardEvent} event */
  const press = (event) => {
    if (!root.isConnected) return document.removeEventListener("keydown", press);
    const where = keys[event.key];
    const from = event.target instanceof HTMLElement ? event.target : document.body;
    const theirs = from.matches("input:not([type=checkbox]), select, textarea");
    const scrolls = from !== document.body && from.scrollWidth > from.clientWidth;
    if (!where || theirs || event.altKey || event.ctrlKey || event.metaKey) return;
    if (scrolls && event.key.startsWith("Arrow")) return;
    event.preventDefault();
    go(where);
  };

  controls.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-go]") : null;
    if (button) go(button.getAttribute("data-go") ?? "");
  });
  document.addEventListener("keydown", press);
}

/**
 * Makes a page go step by step.
 *
 * @param {HTMLElement} root the element with `data-stepper`
 */
export function stepThrough(root) {
  /** @type {HTMLElement[]} */
  const steps = Array.from(root.querySelectorAll("[data-step]"));
  const controls = root.querySelector("[data-controls]");
  const progress = root.querySelector("[data-progress]");
  const heard = root.querySelector("[data-heard]");
  if (!(controls instanceof HTMLElement) || !progress || !heard || !steps.length) return;

  /** The step that the address names, or −1. */
  const current = () => steps.findIndex((step) => `#${step.id}` === location.hash);

  /** Shows the step of the address as the current one, unless it is shown already. */
  let shown = -1;
  const show = () => {
    const at = current();
    if (at < 0 || at === shown) return;
    shown = at;
    steps.forEach((step, i) => {
      step.classList.toggle("bp-now", i === at);
      if (i === at) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    });
    for (const button of controls.querySelectorAll("[data-go]")) {
      const back = ["first", "back"].includes(button.getAttribute("data-go") ?? "");
      button.setAttribute("aria-disabled", String(at === (back ? 0 : steps.length - 1)));
    }
    progress.textContent = `${at + 1} of ${steps.length}`;
    heard.textContent = `Step ${at + 1} of ${steps.length}: ${steps[at].dataset.step}`;
    const places = root.querySelectorAll(`[data-quantity~="${steps[at].dataset.about}"]`);
    const drawn = Array.from(places).find((place) => place.checkVisibility());
    drawn?.scrollIntoView({ block: "nearest", inline: "center" });
    steps[at].scrollIntoView();
  };

  /**
   * Goes to the first or last step, or to the one before or behind the current one.
   *
   * @param {string} where
   */
  const go = (where) => {
    const at = Math.max(current(), 0);
    const last = steps.length - 1;
    const wanted = { first: 0, back: Math.max(at - 1, 0), next: Math.min(at + 1, last), last }[where];
    if (wanted === undefined) return;
    const focused = document.activeElement;
    location.replace(`#${steps[wanted].id}`); // no entry in the history for every step
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  };

  listen(root, controls, go);
  addEventListener("hashchange", show);
  controls.hidden = false;
  root.dataset.stepper = "on";
  const linked = current() >= 0;
  if (!linked) go("first");
  show();
  if (!linked) scrollTo(0, 0);
}

// only then, since a browser that has loaded a page scrolls to the fragment of its address
addEventListener("load", () => {
  document.querySelectorAll("[data-stepper]").forEach((root) => {
    if (root instanceof HTMLElement) stepThrough(root);
  });
});
