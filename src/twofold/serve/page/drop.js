// What this page asks of its service, and images as they come.

const AT_ONCE = 4; // requests under way, of one image each
const TOKEN = "twofold-token";
const chosen = new URLSearchParams(location.search).get("model");
const asked = { total: 0, done: 0 };

class Refused extends Error {
  constructor(status, words, seconds) {
    super(words);
    Object.assign(this, { status, seconds });
  }
}

// An answer's JSON; an error with the service's sentence where there is none.
async function ask(path, options = {}, query = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const wanted = new URLSearchParams(chosen ? { ...query, model: chosen } : query);
  let answer;
  try {
    answer = await fetch(`${path}?${wanted}`, { ...options, headers });
  } catch {
    throw new Refused(0, "The service does not answer.", 0);
  }
  if (answer.ok) return answer.json();
  const words = (await answer.json().catch(() => ({}))).error;
  const seconds = Number(answer.headers.get("Retry-After")) || 0;
  throw new Refused(answer.status, words || `The service answered ${answer.status}.`, seconds);
}

function fail(words) {
  byId("failure").textContent = words;
  byId("failure").hidden = !words;
}

const pause = (seconds) => new Promise((go) => setTimeout(go, 1000 * seconds));

// One image; who is told to come back does so.
async function judge(file) {
  const query = { regions: "all", map: "grid", picture: "true" };
  for (;;) {
    const body = new FormData();
    body.append("file", file);
    try {
      return (await ask("v1/score", { method: "POST", body }, query)).results[0];
    } catch (error) {
      if (error.status !== 429 && !(error.status === 503 && error.seconds)) throw error;
      await pause(error.seconds || 1);
    }
  }
}

function keep(result) {
  const { width, height } = result;
  data.names.push(result.image);
  data.links.push(null);
  data.scores.push(result.score);
  data.percentiles.push(result.percentile);
  data.pValues.push(result.p_value);
  data.problems.push(result.problem);
  data.pictures.push(result.picture);
  data.grids.push(result.map ? result.map.data : null);
  if (result.map) data.gridShape = [result.map.rows, result.map.columns];
  const edges = (box) => [box.x / width, box.y / height, box.width / width, box.height / height, box.anomalous];
  data.boxes.push((result.regions || []).map(edges));
}

let redrawing = false;

// At most once a frame, however many images come.
function redraw() {
  if (redrawing) return;
  redrawing = true;
  requestAnimationFrame(() => {
    redrawing = false;
    byId("images").hidden = !data.names.length;
    showGallery();
    drawHistogram();
    showThreshold();
    byId("progress").value = asked.done / Math.max(1, asked.total);
    byId("progress").hidden = asked.done === asked.total;
    byId("done").textContent = asked.total ? `${asked.done} of ${asked.total} images judged` : "";
  });
}

// How many false alarms are expected depends on how many images there are.
async function learnThreshold() {
  const images = Math.max(1, data.scores.filter((score) => score !== null).length);
  const moved = state.threshold !== data.threshold.value;
  data.threshold = await ask("v1/threshold", {}, { images });
  if (!moved) state.threshold = data.threshold.value;
}

async function take(files) {
  fail("");
  const waiting = [...files];
  asked.total += waiting.length;
  redraw();
  const work = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      try {
        keep(await judge(file));
      } catch (error) {
        fail(`${file.name}: ${error.message}`);
      }
      asked.done += 1;
      redraw();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  try {
    await learnThreshold();
    describe(await ask("v1/model")); // drift has moved on
  } catch (error) {
    fail(error.message);
  }
  redraw();
}

const DRIFTS = {
  none: "nothing has changed that the images it was sent can show",
  anomalies: "more images are odd than at the fit",
  domain: "the domain has moved",
};

function describe(model) {
  const drift = model.drift.kind ? `${DRIFTS[model.drift.kind]} (${model.drift.n_images.toLocaleString("en")} images). ${model.drift.advice}` : model.drift.reason;
  const rows = [
    ["name", model.name],
    ["method and encoder", `${model.method}, ${model.encoder}`],
    ["threshold", `${round(model.threshold)} for ${percent(model.false_alarm_rate)} false alarms`],
    ["fitted on", `${model.n_source} source and ${model.n_target} target images`],
    ["verdict of the fit", model.verdict],
    ["drift", drift],
    ["sha256", model.sha256],
  ];
  byId("facts").replaceChildren(...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  byId("about-model").textContent = `Model ${model.name} judges what you drop here at ${percent(model.false_alarm_rate)} false alarms. Verdict of its fit: ${model.verdict}.`;
}

function offer(models) {
  byId("which").hidden = models.length < 2;
  const options = models.map(({ name }) => make("option", { value: name }, name));
  byId("models").replaceChildren(...options);
  if (chosen) byId("models").value = chosen;
  byId("models").addEventListener("change", (event) => {
    location.search = new URLSearchParams({ model: event.target.value });
  });
}

function startDrop() {
  const place = byId("drop");
  byId("files").addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = ""; // so that the same may be chosen again
    take(files);
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    // A file dropped beside the place would take the page's own.
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      place.classList.toggle("over", kind === "dragover");
      if (kind === "drop") take(event.dataTransfer.files);
    });
  }
}

async function start() {
  try {
    const { models } = await ask("v1/models");
    const model = await ask("v1/model");
    data.threshold = await ask("v1/threshold", {}, { images: 1 });
    state.threshold = data.threshold.value;
    byId("entry").hidden = true;
    byId("work").hidden = false;
    offer(models);
    describe(model);
    startDrop();
    drawLegend();
    startGallery();
    startViewer();
    startThreshold();
  } catch (error) {
    byId("entry").hidden = error.status !== 401;
    const wrong = error.status === 401 && sessionStorage.getItem(TOKEN);
    fail(error.status !== 401 ? error.message : wrong ? "This is none of the service's tokens." : "");
    if (error.status === 401) byId("token").focus();
  }
}

byId("entry-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, byId("token").value.trim());
  start();
});

start();
