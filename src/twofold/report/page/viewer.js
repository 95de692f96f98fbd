// One image, large: its map, boxes, figures, and the normal images it is most like.

let open = null; // row of the image that is shown

function drawBoxes(row) {
  const svg = makeSvg("svg", { class: "boxes", viewBox: "0 0 1 1", preserveAspectRatio: "none" });
  for (const [x, y, width, height, odd] of data.boxes[row] || []) {
    // Two lines, dark on light, so that a box is seen on any picture.
    for (const kind of ["under", odd ? "over" : "over faint"]) {
      svg.append(makeSvg("rect", { x, y, width, height, class: kind }));
    }
  }
  svg.setAttribute("aria-hidden", "true");
  return svg;
}

function comparison(row) {
  const groups = (data.alike && data.alike[row]) || [];
  const part = make("div", { class: "alike" });
  for (const numbers of groups.filter((group) => group.length)) {
    const domain = data.normals[numbers[0]].domain;
    const title = domain === "target" ? "Nearest presumed normals of the target" : "Nearest normals of the source";
    const row = make("div", { class: "row" });
    for (const number of numbers) {
      const { picture, score } = data.normals[number];
      const words = score === null ? "" : `score ${round(score)}`;
      const image = make("img", { src: pictureOf(picture), alt: `a normal image of the ${domain}` });
      row.append(make("figure", {}, image, make("figcaption", {}, words)));
    }
    part.append(make("h3", {}, title), row);
  }
  if (part.children.length) {
    part.append(make("p", { class: "hint" }, "Nearest as whole images; small odd places hardly count in that."));
  }
  return part;
}

function facts(row) {
  const list = make("dl", {});
  const add = (name, value) => list.append(make("dt", {}, name), make("dd", {}, value));
  if (isUnreadable(row)) {
    add("reason", data.problems[row] || "");
    return list;
  }
  const [score, percentile, chance] = figures(row);
  add("score", `${score[1]} (threshold ${round(state.threshold)})`);
  add("percentile", `${percentile[1]}% of the images that the threshold rests on score no higher`);
  add("p-value", `at most ${percent(data.pValues[row])} of normal images score as high or higher (${chance[1]})`);
  const label = labelOf(row);
  if (label) add("label", label);
  const odd = (data.boxes[row] || []).filter((box) => box[4]).length;
  if (data.grids[row]) add("odd places", odd ? `${odd} beyond the threshold for places (solid boxes)` : "none beyond the threshold for places");
  return list;
}

function showImage(row) {
  open = row;
  const viewer = byId("viewer");
  const place = listed.indexOf(row);
  const [kind, words] = standing(row);
  const frame = make("span", { class: "frame large" });
  if (data.pictures[row]) frame.append(make("img", { src: pictureOf(data.pictures[row]), alt: `the image ${fileName(data.names[row])}` }));
  else frame.append(make("span", { class: "none" }, "no picture kept"));
  if (data.grids[row]) {
    setHeat(frame, row, state.viewerHeat);
    const boxes = drawBoxes(row);
    boxes.classList.toggle("off", !state.boxes);
    frame.append(boxes);
  }
  const tools = make("div", { class: "tools" });
  const tool = (words, action, pressed) => {
    const button = make("button", { type: "button" }, words);
    if (pressed !== undefined) button.setAttribute("aria-pressed", String(pressed));
    button.addEventListener("click", () => action(button));
    tools.append(button);
    return button;
  };
  tool("← Previous", () => step(-1)).disabled = place <= 0;
  tool("Next →", () => step(1)).disabled = place < 0 || place >= listed.length - 1;
  if (data.grids[row]) {
    tool("Map", toggleMap, state.viewerHeat).id = "viewer-map";
    tool("Boxes", toggleBoxes, state.boxes).id = "viewer-boxes";
  }
  tool("Close", () => viewer.close()).id = "viewer-close";
  const side = make("div", { class: "side" }, make("p", { class: `standing ${kind}` }, words), facts(row));
  if (data.links[row]) {
    const link = make("a", { href: data.links[row], target: "_blank", rel: "noopener" }, "Open the original file");
    side.append(make("p", {}, link));
  }
  side.append(comparison(row));
  const where = place < 0 ? "" : `${place + 1} of ${listed.length}`;
  viewer.replaceChildren(
    make("div", { class: "head" }, make("h2", { id: "viewer-title" }, fileName(data.names[row])), make("span", { role: "status" }, where)),
    make("p", { class: "path" }, data.names[row]),
    tools,
    make("div", { class: "body" }, frame, side),
  );
}

function toggleMap() {
  state.viewerHeat = !state.viewerHeat;
  const frame = document.querySelector("#viewer .frame");
  setHeat(frame, open, state.viewerHeat);
  const boxes = frame.querySelector(".boxes");
  if (boxes) frame.append(boxes); // over the map
  press("viewer-map", state.viewerHeat);
}

function toggleBoxes() {
  state.boxes = !state.boxes;
  document.querySelector("#viewer .boxes").classList.toggle("off", !state.boxes);
  press("viewer-boxes", state.boxes);
}

function press(id, on) {
  const button = byId(id);
  if (button) button.setAttribute("aria-pressed", String(on));
}

function step(by) {
  const place = listed.indexOf(open) + by;
  if (place < 0 || place >= listed.length) return;
  if (place >= shown) addCards(place - shown + BATCH);
  showImage(listed[place]);
  byId("viewer-close").focus();
}

function openViewer(row) {
  showImage(row);
  byId("viewer").showModal();
  byId("viewer-close").focus();
}

function startViewer() {
  state.viewerHeat = true;
  const viewer = byId("viewer");
  viewer.addEventListener("keydown", (event) => {
    const onButton = event.target.closest("button, a");
    if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
    else if (event.key === "b" && data.grids[open]) toggleBoxes();
    else if (event.key === " " && data.grids[open] && (!onButton || onButton.id === "viewer-close")) toggleMap();
    else return;
    event.preventDefault();
  });
  viewer.addEventListener("keyup", (event) => {
    if (event.key === " " && event.target.id === "viewer-close") event.preventDefault();
  });
  // A click beside the dialog closes it.
  viewer.addEventListener("click", (event) => {
    if (event.target === viewer) viewer.close();
  });
  viewer.addEventListener("close", () => {
    const button = document.querySelector(`#cards .card[data-row="${open}"]`);
    if (button) button.focus();
  });
}
