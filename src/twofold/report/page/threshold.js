// The threshold: histograms of what it rests on and of these images, and a line to move.

const SIZE = { width: 720, height: 250, left: 10, right: 710, middle: 125, tall: 105 };
const BINS = 70;

// Scores may have a long tail. The axis is even in asinh((score - middle) / spread): about linear
// among the normals, logarithmic far from them.
const axis = { middle: 0, spread: 1, low: 0, high: 1 };
const onAxis = (score) => Math.asinh((score - axis.middle) / axis.spread);
const offAxis = (place) => axis.middle + axis.spread * Math.sinh(place);
const partOf = (score) => (onAxis(score) - axis.low) / (axis.high - axis.low);

function setAxis(calibration, fresh) {
  const at = (part) => calibration[Math.floor(part * (calibration.length - 1))];
  axis.middle = at(0.5);
  axis.spread = at(0.75) - at(0.25) || Math.abs(axis.middle) / 10 || 1;
  const ends = [calibration[0], calibration[calibration.length - 1]];
  for (const score of fresh) {
    ends[0] = Math.min(ends[0], score);
    ends[1] = Math.max(ends[1], score);
  }
  [axis.low, axis.high] = ends.map(onAxis);
  if (!(axis.high > axis.low)) axis.high = axis.low + 1;
}

// The step of the ladder for a threshold: the smallest rate whose threshold is no higher.
function stepAt(threshold) {
  const { steps, own, value } = data.threshold;
  if (threshold === value) return own;
  return steps.find((step) => step[1] <= threshold) || null;
}

const xOf = (score) =>
  SIZE.left + Math.min(1, Math.max(0, partOf(score))) * (SIZE.right - SIZE.left);

function binned(scores, weights) {
  const bins = new Array(BINS).fill(0);
  let total = 0;
  scores.forEach((score, place) => {
    const bin = Math.floor(partOf(score) * BINS);
    const weight = weights ? weights[place] : 1;
    bins[Math.min(BINS - 1, Math.max(0, bin))] += weight;
    total += weight;
  });
  return bins.map((count) => count / Math.max(total, 1));
}

function bars(bins, highest, down, kind) {
  const group = makeSvg("g", { class: kind });
  const width = (SIZE.right - SIZE.left) / BINS;
  bins.forEach((share, bin) => {
    if (!share) return;
    // Roots, so that a single image is seen beside hundreds.
    const height = Math.max(1.5, SIZE.tall * Math.sqrt(share / highest));
    const y = down ? SIZE.middle : SIZE.middle - height;
    group.append(makeSvg("rect", { x: SIZE.left + bin * width, y, width: Math.max(1, width - 1), height }));
  });
  return group;
}

function drawHistogram() {
  const { calibration, weights, presumedUpTo, origin, value } = data.threshold;
  const fresh = data.scores.filter((score) => score !== null);
  setAxis(calibration, fresh);
  SIZE.width = widthOf("histogram");
  SIZE.right = SIZE.width - SIZE.left;
  const known = binned(calibration, weights);
  const now = binned(fresh);
  const highest = Math.max(...known, ...now);
  const odd = known.map((share, bin) => ((bin + 0.5) / BINS > partOf(presumedUpTo) ? share : 0));
  const usual = known.map((share, bin) => share - odd[bin]);
  const svg = makeSvg("svg", { viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, role: "img" });
  const what = origin === "source" ? "source images" : "images of the target pool";
  svg.setAttribute("aria-label", `Histogram of scores: upwards ${calibration.length} ${what}, downwards these ${fresh.length} images`);
  svg.append(bars(usual, highest, false, "usual"), bars(odd, highest, false, "odd"), bars(now, highest, true, "now"));
  svg.append(makeSvg("line", { class: "axis", x1: SIZE.left, x2: SIZE.right, y1: SIZE.middle, y2: SIZE.middle }));
  const line = makeSvg("line", { class: "own", x1: xOf(value), x2: xOf(value), y1: 12, y2: 238 });
  svg.append(line, makeSvg("line", { class: "moved", id: "line", y1: 6, y2: 244 }));
  const ticks = SIZE.width < 600 ? 3 : 6;
  for (let part = 0; part <= ticks; part += 1) {
    const score = offAxis(axis.low + (part / ticks) * (axis.high - axis.low));
    const anchor = part === 0 ? "start" : part === ticks ? "end" : "middle";
    svg.append(makeSvg("text", { x: xOf(score), y: 248, "text-anchor": anchor }, round(score, 3)));
  }
  const legend = make("ul", { class: "key" });
  const entry = (kind, words) => legend.append(make("li", { class: kind }, words));
  entry("usual", origin === "source" ? "source images" : "images of the pool");
  if (odd.some((share) => share)) entry("odd", "of the pool, surely beyond the normals");
  entry("now", "these images");
  entry("own", "threshold of the model");
  byId("histogram").replaceChildren(svg, legend, make("p", { class: "hint" }, "Across: the score. Heights are square roots of shares, so that single images are seen."));
}

function showThreshold() {
  const line = byId("line");
  line.setAttribute("x1", xOf(state.threshold));
  line.setAttribute("x2", xOf(state.threshold));
  const slider = byId("slider");
  slider.value = String(Math.round(1000 * partOf(state.threshold)));
  const fresh = data.scores.filter((score) => score !== null);
  const flagged = fresh.filter((score) => score > state.threshold).length;
  const step = stepAt(state.threshold);
  slider.setAttribute("aria-valuetext", `score ${round(state.threshold)}, ${flagged} flagged`);
  let words = `Threshold ${round(state.threshold)}: ${flagged.toLocaleString("en")} of ${fresh.length.toLocaleString("en")} images are flagged. `;
  if (!step) words += "It lies among the middle of the normals: more than 60% of them may be above it.";
  else if (data.threshold.origin === "source") words += `At most ${percent(step[0])} of normal source images would be; of these images it is unknown.`;
  else words += `Of normal images at most ${percent(step[0])} would be: about ${Math.round(step[2])} if all of these were normal (in 95 of 100 cases ${step[3]} to ${step[4]}).`;
  byId("alarms").textContent = words;
  for (const button of byId("marks").children) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.value) === state.threshold));
  }
}

function moveThreshold(threshold) {
  state.threshold = threshold;
  showThreshold();
  showGallery();
  showPlaces();
}

function startThreshold() {
  const { steps, value, rate } = data.threshold;
  drawHistogram();
  const choice = (words, score) => {
    const button = make("button", { type: "button", "data-value": score, "aria-pressed": "false" }, words);
    button.addEventListener("click", () => moveThreshold(score));
    byId("marks").append(button);
  };
  choice(`model: ${percent(rate)}`, value);
  for (const step of steps.filter((one) => one[5] && one[0] !== rate)) choice(percent(step[0]), step[1]);
  const slider = byId("slider");
  let wanted = null;
  slider.addEventListener("input", () => {
    const score = offAxis(axis.low + (slider.value / 1000) * (axis.high - axis.low));
    if (wanted === null) requestAnimationFrame(() => { moveThreshold(wanted); wanted = null; });
    wanted = score;
  });
  showThreshold();
}
