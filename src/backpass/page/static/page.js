// @ts-check
/**
 * Carries clicks, keys and files to the server, and puts what it answers in its place. There is no
 * mathematics here.
 *
 * Ids that stay: the fragments #message #build #counters #picture #step #hold #training #frame #judge
 * #setup; in them #data #target #add-layer #units-N #fewer-N #more-N #remove-N #activation-N #loss #output #optimizer #init
 * #learning_rate #batch_size #alpha #seed, #mode-0 #mode-1 #mode-2 (by sample, mini-batch, full batch)
 * #keep-row #keep #digest, #place #equation #notation #form, #hold-key #hold-layer #hold-source #hold-unit #hold-take
 * #epsilon #held #derivative #difference #held-value #held-cost #moved #change #promised #why #certify,
 * #undo, #pace #train-epochs #train #pause #epoch #rewind #rewind-to #epochs #axis-x #axis-y #axes, #answer #judge-what #judge-layer
 * #judge-it, #setup-text #setup-use #setup-link #setup-why; outside of them #file #answer-file #go-first #go-back
 * #go-next #go-last #go-update #heard.
 * Attributes: data-do is the command of a button or field, the other data-… its arguments; data-form
 * is the command of a group of named fields, which a button with data-submit sends; data-go is a step (see stepping.js); data-hold names a
 * weight or bias in the picture, "W-layer-from-to" or "b-layer-unit" from 0; data-drop says what a
 * file is: "table" or "answer".
 */

import { follow } from "./slider.js";
import { listen } from "./stepping.js";
import { say, swap } from "./swap.js";

/** @typedef {import("./swap.js").Told} Told */

// a reload finds its state again; a tab that was opened from another has a copy of its memory only
const [come] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
const kept = come.type === "navigate" ? null : sessionStorage.getItem("tab");
const tab = kept ?? crypto.randomUUID().replaceAll("-", "");
sessionStorage.setItem("tab", tab);

const GONE = "the server does not answer: start backpass play again";

/** @type {EventSource | null} */
let stream = null;

/** The timer after which a pause between steps is used to draw what hangs on them. */
let later = 0;

/**
 * Sends a request, one after the other, and shows the answer.
 *
 * @param {string} path
 * @param {BodyInit} body
 */
async function send(path, body) {
  try {
    const answer = await fetch(path, { method: "POST", body });
    if (answer.headers.get("content-type") !== "application/json") {
      swap({ message: "" });
      throw new Error(await answer.text());
    }
    show(await answer.json());
  } catch (error) {
    fail(error instanceof TypeError ? GONE : `${error}`);
  }
}

/** @type {Promise<void>} */
let queue = Promise.resolve();

/**
 * Sends a command behind those under way.
 *
 * @param {Record<string, string | undefined>} command
 */
function command(command) {
  queue = queue.then(() => send(`/do?tab=${tab}`, JSON.stringify(command)));
  return queue;
}

/** @param {string} why */
function fail(why) {
  const place = document.getElementById("message");
  if (place) place.textContent = why.replace(/^Error: /, "");
}

/** @param {Told} told */
function show(told) {
  swap(told.fragments);
  document.body.classList.toggle("bp-running", told.running); // what it has left behind is paler
  clearTimeout(later);
  if (told.stale) later = setTimeout(() => command({ do: "refresh" }), 150);
  if (told.running && !stream) watch();
  if (!told.running) unwatch();
}

/** Shows the frames of the training as they come. */
function watch() {
  stream = new EventSource(`/frames?tab=${tab}`);
  stream.addEventListener("message", (event) => swap(JSON.parse(event.data).fragments));
  stream.addEventListener("over", () => {
    unwatch();
    command({ do: "pause" });
  });
  stream.addEventListener("error", () => {
    unwatch();
    fail(`training has stopped: ${GONE}`);
  });
}

function unwatch() {
  stream?.close();
  stream = null;
}

/**
 * Returns the command of an element: its own, or that of the group that it is in.
 *
 * @param {HTMLElement} from
 * @returns {Record<string, string | undefined> | null}
 */
function told(from) {
  const group = from.closest("[data-form]");
  if (from.matches("[data-submit], [data-form] [type=range]") && group instanceof HTMLElement) {
    /** @type {Record<string, string | undefined>} */
    const values = { do: group.dataset.form };
    for (const field of group.querySelectorAll("[name]")) {
      values[field.getAttribute("name") ?? ""] = /** @type {HTMLInputElement} */ (field).value;
    }
    if (from.matches("#hold-take")) delete values.epsilon;
    return values;
  }
  if (!from.dataset.do) return null;
  const { do: name, ...rest } = from.dataset;
  const value = /** @type {HTMLInputElement} */ (from).value;
  return { do: name, ...(from.matches("input, select") ? { value } : {}), ...rest };
}

/** Brings what is held into the window, where it is not there yet; after a refusal all stays. */
function lookAtHeld() {
  if (document.getElementById("message")?.textContent) return;
  document.getElementById("why")?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("click", (event) => {
  const from = event.target instanceof Element ? event.target : null;
  const button = from?.closest("button");
  const values = button && told(button);
  const held = from?.closest("[data-hold]")?.getAttribute("data-hold");
  const link = from?.closest("#setup-link");
  if (values) command(values).then(values.do === "hold" ? lookAtHeld : undefined);
  if (held) command({ do: "take", name: held }).then(lookAtHeld);
  if (link) {
    event.preventDefault(); // the address alone is of use, in another browser
    navigator.clipboard?.writeText(link.getAttribute("href") ?? "").then(() => say("address copied"));
  }
});

document.addEventListener("change", (event) => {
  const from = event.target;
  if (!(from instanceof HTMLElement)) return;
  if (from instanceof HTMLInputElement && from.type === "file") return file(from);
  const values = from.matches("input, select") && from.id !== "epsilon" ? told(from) : null;
  if (values) command(values);
});

document.addEventListener("input", (event) => {
  if (!(event.target instanceof HTMLInputElement) || event.target.id !== "epsilon") return;
  const ask = (/** @type {HTMLInputElement} */ at) =>
    fetch(`/do?tab=${tab}`, { method: "POST", body: JSON.stringify(told(at)) });
  follow(event.target, ask).catch(() => fail(GONE));
});

document.addEventListener("keydown", (event) => {
  const from = event.target instanceof HTMLElement ? event.target : document.body;
  if (event.key === "Enter" && from.matches("[data-form] input")) {
    const send = from.closest("[data-form]")?.querySelector("[data-submit]");
    if (send instanceof HTMLElement) send.click();
  }
});

const steps = document.querySelector("[data-controls]");
if (steps) listen(document.body, steps, go, { u: "update", t: "train" });

/** @param {string} where a step, an update, or on with the training or a pause of it */
function go(where) {
  if (where === "train") document.getElementById(stream ? "pause" : "train")?.click();
  else command({ do: "go", where });
}

/**
 * Sends the file of a field.
 *
 * @param {HTMLInputElement} field
 */
function file(field) {
  if (field.files?.length) upload(field.files[0], field.dataset.drop === "answer");
  field.value = "";
}

/**
 * @param {File} what
 * @param {boolean} judged
 */
function upload(what, judged) {
  const query = `tab=${tab}&name=${encodeURIComponent(what.name)}${judged ? "&judge=1" : ""}`;
  queue = queue.then(() => send(`/drop?${query}`, what));
  if (!judged) document.getElementById("build")?.closest("details")?.setAttribute("open", "");
}

document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const what = event.dataTransfer?.files[0];
  const at = event.target instanceof Element ? event.target.closest("details") : null;
  if (what) upload(what, !!at?.querySelector("#judge"));
});

/** Begins with the set-up behind the address, if there is one, and takes it away from there. */
function begin() {
  const setup = location.hash.startsWith("#v1:") ? location.hash : undefined;
  if (location.hash) history.replaceState(null, "", location.pathname);
  command({ do: "open", setup });
}

addEventListener("hashchange", begin);
begin();
