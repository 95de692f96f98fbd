// The review page: shows one image after another and sends a mark for each.

import { Pictures, ask, tell } from "./api.js";
import { by, fail, press, pressed, say } from "./dom.js";
import { onKeys } from "./keys.js";
import { factsText, headline, pace, showEstimates, showResults } from "./panel.js";
import { Stage } from "./stage.js";

const pictures = new Pictures();
const address = (image, kind) => `/api/images/${image}/${kind}`;

let state = null; // of the server: current and following image, counts
let shownAt = null; // when the image could be seen; null until then
let busy = false; // a mark is on its way
let finished = false; // the page of results was opened at the planned number
let furtherAsked = false; // a question for further marks is on its way

const stage = new Stage({
  stage: by("stage"),
  canvas: by("canvas"),
  image: by("image"),
  onZoom: (percent) => (by("zoom").textContent = `${percent}%`),
  onDetail: () => showPixels(),
});

// ---- showing an image

async function show() {
  const image = state.current;
  shownAt = null;
  enable();
  by("facts").hidden = true;
  press("toggle-facts", false);
  layMap(null);
  by("loading").hidden = false;
  by("canvas").hidden = true;
  if (image === null) {
    by("loading").textContent = "All images are marked.";
    return;
  }
  by("loading").textContent = "Loading the image …";
  try {
    const picture = await pictures.get(address(image, "screen"));
    if (state.current !== image) return;
    await put(by("image"), picture.url);
    by("image").alt = `Image to judge, number ${state.done + 1} of your review`;
    by("canvas").hidden = false;
    by("loading").hidden = true;
    stage.reset(picture.width, picture.height);
  } catch (error) {
    by("loading").textContent = `This image cannot be shown: ${error.message} Mark it unsure.`;
  }
  shownAt = performance.now();
  enable();
  if (pressed("toggle-map")) showMap();
  prefetch();
}

/** The pictures of the next image, while a person looks at this one. */
function prefetch() {
  const wanted = [state.current, state.following].filter((image) => image !== null);
  pictures.keepOnly(wanted);
  if (state.following === null) return;
  pictures.get(address(state.following, "screen")).catch(() => {});
  if (pressed("toggle-map")) pictures.get(address(state.following, "map")).catch(() => {});
}

async function put(target, url) {
  target.src = url;
  await target.decode();
}

/** The image's own pixels, once somebody looks that close. */
async function showPixels() {
  const image = state.current;
  try {
    const picture = await pictures.get(address(image, "pixels"));
    if (state.current === image && by("image").src !== picture.url) await put(by("image"), picture.url);
  } catch {
    // The smaller picture stays.
  }
}

async function showMap() {
  const image = state.current;
  if (!pressed("toggle-map") || image === null || !state.has_maps) return;
  try {
    const picture = await pictures.get(address(image, "map"));
    if (state.current !== image || !pressed("toggle-map")) return;
    await put(by("map"), picture.url);
    layMap(picture);
  } catch (error) {
    say(`No heat map: ${error.message}`);
  }
}

/** Lay a map over the image, or take it away with null. */
function layMap(picture) {
  by("map").hidden = picture === null;
  by("map-note").hidden = !picture?.clear;
  by("canvas").classList.toggle("mapped", picture !== null && !picture.clear);
}

// ---- marks

async function mark(value) {
  if (busy || state?.current == null || shownAt === null) return;
  const seconds = (performance.now() - shownAt) / 1000;
  await change("/api/mark", { image: state.current, mark: value, seconds }, (answer) => {
    by("last").textContent = `Marked ${value}. ${factsText(answer.facts)}`;
    say(`Marked ${value}. ${headline(state)}`);
  });
  if (state.done === state.planned && !finished) {
    finished = true;
    openResults();
  }
}

async function undo() {
  if (busy || !state?.can_undo) return;
  await change("/api/undo", {}, (answer) => {
    by("last").textContent = "The last mark is taken back. Mark this image anew.";
    say(`${answer.undone} is taken back. ${headline(state)}`);
  });
}

/** Send a change, and go on only when the server says that it is on the disk. */
async function change(path, content, report) {
  busy = true;
  enable();
  try {
    const answer = await tell(path, content);
    state = answer.state;
    fail("");
    head();
    report(answer);
    showEstimates(by("estimates"), answer.estimates);
    refreshFurther();
    busy = false;
    await show();
  } catch (error) {
    fail(`This may not be saved. ${error.message}`);
  } finally {
    busy = false;
    enable();
  }
}

/** How many more marks narrow what: it takes longer, so the next image does not wait for it. */
async function refreshFurther() {
  if (furtherAsked) return;
  furtherAsked = true;
  try {
    let asked = -1;
    while (asked !== state.version) {
      asked = state.version;
      const estimates = await ask("/api/estimates");
      showEstimates(by("estimates"), estimates);
      by("further").textContent = estimates.further ?? "";
    }
  } catch (error) {
    fail(error.message);
  } finally {
    furtherAsked = false;
  }
}

// ---- results

async function openResults() {
  try {
    const results = await ask("/api/results");
    const thumbnail = (image) => pictures.get(address(image, "screen"));
    showResults(document, results, { thumbnail, lookAgain });
    press("show-results", true);
    by("marking").hidden = true;
    by("results").hidden = false;
    by("results-title").focus();
  } catch (error) {
    fail(error.message);
  }
}

function closeResults() {
  press("show-results", false);
  by("results").hidden = true;
  by("marking").hidden = false;
  stage.fit();
  by("stage").focus();
}

/** Judge an image once more; the last word of each reviewer counts. */
function lookAgain(image) {
  state.current = image;
  closeResults();
  show();
}

const toggleResults = () => (by("results").hidden ? openResults() : closeResults());

// ---- small things

function head() {
  by("position").textContent = headline(state);
  by("progress").max = state.planned;
  by("progress").value = Math.min(state.done, state.planned);
  by("pace").textContent = pace(state);
}

function enable() {
  const ready = !busy && shownAt !== null && state?.current != null;
  // Not `disabled`, which would take the focus away from whoever pressed the button.
  const able = (id, on) => by(id).setAttribute("aria-disabled", String(!on));
  for (const id of ["mark-normal", "mark-anomalous", "mark-unsure"]) able(id, ready);
  able("undo", !busy && Boolean(state?.can_undo));
  by("toggle-map").disabled = !state?.has_maps;
}

function toggleMap() {
  if (!state?.has_maps) return say("This model has no heat maps.");
  press("toggle-map", !pressed("toggle-map"));
  if (pressed("toggle-map")) showMap();
  else layMap(null);
}

async function toggleFacts() {
  if (state?.current == null) return;
  const on = !pressed("toggle-facts");
  press("toggle-facts", on);
  by("facts").hidden = !on;
  if (!on) return;
  const image = state.current;
  try {
    const facts = await ask(address(image, "facts"));
    if (state.current !== image) return;
    by("facts").textContent = factsText(facts);
    say(factsText(facts));
  } catch (error) {
    fail(error.message);
  }
}

const help = by("help");
const toggleHelp = () => (help.open ? help.close() : help.showModal());

/** What a key does while an image is judged. */
const KEYS = {
  n: () => mark("normal"),
  a: () => mark("anomalous"),
  u: () => mark("unsure"),
  z: undo,
  m: toggleMap,
  s: toggleFacts,
  "+": () => stage.zoomBy(1),
  "=": () => stage.zoomBy(1),
  "-": () => stage.zoomBy(-1),
  1: () => stage.pixels(),
  0: () => stage.fit(),
  ArrowLeft: () => stage.move(-1, 0),
  ArrowRight: () => stage.move(1, 0),
  ArrowUp: () => stage.move(0, -1),
  ArrowDown: () => stage.move(0, 1),
};

function connect() {
  const actions = {
    "mark-normal": KEYS.n, "mark-anomalous": KEYS.a, "mark-unsure": KEYS.u, undo,
    "toggle-map": toggleMap, "toggle-facts": toggleFacts,
    "zoom-in": KEYS["+"], "zoom-out": KEYS["-"], "zoom-pixels": KEYS[1], "zoom-fit": KEYS[0],
    "show-results": toggleResults, "go-on": closeResults,
    "show-help": toggleHelp, "close-help": toggleHelp,
  };
  for (const [id, action] of Object.entries(actions)) by(id).addEventListener("click", action);
  onKeys({
    keys: KEYS,
    always: { "?": toggleHelp },
    outsideHelp: { r: toggleResults },
    single: () => by("keys").checked,
    helpOpen: () => help.open,
    judging: () => by("results").hidden,
    zoomed: () => stage.zoomed,
  });
}

async function start() {
  connect();
  try {
    state = await ask("/api/state");
  } catch (error) {
    fail(error.message);
    return;
  }
  finished = state.done >= state.planned;
  by("who").textContent = `${state.reviewer}, ${state.n_images} images, marks go to ${state.out}`;
  head();
  refreshFurther();
  await show();
}

start();
