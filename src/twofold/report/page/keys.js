// Keys that work anywhere, and what follows from another width.

function toggleAllHeat() {
  const button = byId("heat");
  if (!button) return;
  state.heat = !state.heat;
  button.setAttribute("aria-pressed", String(state.heat));
  for (const frame of document.querySelectorAll("#cards .frame")) {
    if (frame.querySelector("img")) setHeat(frame, Number(frame.dataset.row), state.heat);
  }
}

const showHelp = () => byId("help").showModal();

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, dialog")) return;
  if (event.key === "?") showHelp();
  else if (event.key === "/") byId("search").focus();
  else if (event.key === "h") toggleAllHeat();
  else return;
  event.preventDefault();
});

byId("keys").addEventListener("click", showHelp);
byId("help-close").addEventListener("click", () => byId("help").close());
if (byId("heat")) byId("heat").addEventListener("click", toggleAllHeat);

// Another width: draw again, once it has settled.
let settling = 0;
let width = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth === width) return; // a phone's bars come and go
  width = window.innerWidth;
  clearTimeout(settling);
  settling = setTimeout(() => {
    drawHistogram();
    showThreshold();
    showPlaces();
  }, 150);
});
