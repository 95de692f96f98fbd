// The gallery: which images are shown, in which order, and their cards.

const BATCH = 60; // cards added at a time
let listed = []; // rows that the choices leave, in order
let shown = 0; // of them, with a card

const FILTERS = {
  flagged: isFlagged,
  near: isNear,
  all: (row) => !isUnreadable(row),
  unreadable: isUnreadable,
};

const ORDERS = {
  score: (one, other) => data.scores[other] - data.scores[one],
  rising: (one, other) => data.scores[one] - data.scores[other],
  name: (one, other) => fileName(data.names[one]).localeCompare(fileName(data.names[other])),
  given: (one, other) => one - other,
};

// Pictures are decoded when their card comes near the window.
const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      fillFrame(entry.target, Number(entry.target.dataset.row));
    }
  },
  { rootMargin: "400px" },
);

function fillFrame(frame, row) {
  const text = data.pictures[row];
  if (text) {
    frame.prepend(make("img", { src: pictureOf(text), alt: "" }));
    if (state.heat) setHeat(frame, row, true);
  } else {
    frame.prepend(make("span", { class: "none" }, isUnreadable(row) ? "✕" : "no picture kept"));
  }
}

function card(row) {
  const frame = make("span", { class: "frame", "data-row": row });
  const name = fileName(data.names[row]);
  const parts = [make("span", { class: "file", title: data.names[row] }, name)];
  const [kind, words] = standing(row);
  parts.push(make("span", { class: `standing ${kind}` }, words));
  if (isUnreadable(row)) {
    parts.push(make("span", { class: "reason" }, data.problems[row] || ""));
  } else {
    const [score, percentile, chance] = figures(row);
    parts.push(make("span", { class: "score" }, `score ${score[1]}`));
    parts.push(make("span", {}, `percentile ${percentile[1]}`));
    parts.push(make("span", {}, `p-value ${chance[1]}`));
  }
  const label = labelOf(row);
  if (label) parts.push(make("span", {}, label));
  const button = make("button", { type: "button", class: `card ${kind}`, "data-row": row }, frame);
  button.append(make("span", { class: "words" }, ...parts));
  watcher.observe(frame);
  return make("li", {}, button);
}

function list() {
  const wanted = FILTERS[state.filter];
  listed = data.names.map((_, row) => row).filter(wanted);
  if (state.query) {
    listed = listed.filter((row) => data.names[row].toLowerCase().includes(state.query));
  }
  listed.sort(ORDERS[state.filter === "unreadable" && state.sort !== "name" ? "given" : state.sort]);
}

function addCards(count) {
  const until = Math.min(listed.length, shown + count);
  byId("cards").append(...listed.slice(shown, until).map(card));
  shown = until;
  byId("more").hidden = byId("rest").hidden = shown >= listed.length;
  byId("more").textContent = `Show ${Math.min(BATCH, listed.length - shown)} more`;
  byId("rest").textContent = `Show all ${listed.length.toLocaleString("en")}`;
}

function showGallery() {
  list();
  watcher.disconnect();
  byId("cards").replaceChildren();
  shown = 0;
  addCards(BATCH);
  const moved = state.threshold === data.threshold.value ? "" : " at the threshold you moved to";
  byId("count").textContent = listed.length
    ? `${listed.length.toLocaleString("en")} ${listed.length === 1 ? "image" : "images"}${moved}`
    : `No image here${moved}: choose another filter, or clear the search.`;
  for (const button of byId("filters").children) {
    const rows = data.names.keys();
    const count = [...rows].filter(FILTERS[button.dataset.filter]).length;
    button.setAttribute("aria-pressed", String(button.dataset.filter === state.filter));
    button.querySelector("span").textContent = count.toLocaleString("en");
  }
}

function toggleCard(button) {
  const frame = button.querySelector(".frame");
  const canvas = frame.querySelector("canvas");
  setHeat(frame, Number(button.dataset.row), !canvas || canvas.hidden);
}

// Arrow keys go from card to card, up and down by as many as stand in a row.
function moveFocus(button, key) {
  const cards = [...document.querySelectorAll("#cards .card")];
  const here = cards.indexOf(button);
  const first = cards[0].getBoundingClientRect().top;
  const columns = cards.findIndex((other) => other.getBoundingClientRect().top > first);
  const across = columns < 1 ? cards.length : columns;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[key];
  if (here + step >= cards.length && shown < listed.length) {
    addCards(BATCH);
    return moveFocus(button, key);
  }
  cards[Math.min(cards.length - 1, Math.max(0, here + step))].focus();
}

function startGallery() {
  if (!data.names.some((_, row) => isFlagged(row))) state.filter = "all";
  byId("filters").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    state.filter = button.dataset.filter;
    showGallery();
  });
  byId("search").addEventListener("input", (event) => {
    state.query = event.target.value.trim().toLowerCase();
    showGallery();
  });
  byId("sort").addEventListener("change", (event) => {
    state.sort = event.target.value;
    showGallery();
  });
  byId("more").addEventListener("click", () => addCards(BATCH));
  byId("rest").addEventListener("click", () => addCards(listed.length));
  const cards = byId("cards");
  cards.addEventListener("click", (event) => {
    const button = event.target.closest(".card");
    if (button) openViewer(Number(button.dataset.row));
  });
  cards.addEventListener("keydown", (event) => {
    const button = event.target.closest(".card");
    if (!button) return;
    if (event.key === " ") {
      event.preventDefault();
      toggleCard(button);
    } else if (event.key.startsWith("Arrow")) {
      event.preventDefault();
      moveFocus(button, event.key);
    }
  });
  // A space would press the button when it is let go.
  cards.addEventListener("keyup", (event) => {
    if (event.key === " ") event.preventDefault();
  });
  for (const [kind, on] of [["pointerover", true], ["pointerout", false]]) {
    cards.addEventListener(kind, (event) => {
      const frame = event.target.closest(".frame");
      if (frame && !state.heat && event.pointerType === "mouse") {
        if (on || !frame.contains(event.relatedTarget)) setHeat(frame, Number(frame.dataset.row), on);
      }
    });
  }
  showGallery();
}
