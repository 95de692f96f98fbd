// Maps: a grid of bytes drawn over a picture.

// From clear through purple and pink to light yellow. Lightness rises all the way, so the order is
// seen without telling hues apart. Rows: where, red, green, blue, opacity.
const RAMP = [
  [0.0, 60, 15, 110, 0.0],
  [0.2, 80, 18, 123, 0.38],
  [0.4, 150, 40, 125, 0.5],
  [0.65, 230, 75, 100, 0.58],
  [0.85, 254, 160, 110, 0.7],
  [1.0, 252, 253, 191, 0.8],
];

function colourAt(value) {
  let place = 1;
  while (place < RAMP.length - 1 && value > RAMP[place][0]) place += 1;
  const [one, other] = [RAMP[place - 1], RAMP[place]];
  const part = Math.min(1, Math.max(0, (value - one[0]) / (other[0] - one[0])));
  return [1, 2, 3, 4].map((k) => one[k] + part * (other[k] - one[k]));
}

const COLOURS = Array.from({ length: 256 }, (_, value) => colourAt(value / 255));

// Draw the map of an image, one pixel a place; the style sheet stretches it smoothly.
function drawHeat(canvas, row) {
  const [rows, columns] = data.gridShape;
  const bytes = atob(data.grids[row]);
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let place = 0; place < bytes.length; place += 1) {
    const [red, green, blue, opacity] = COLOURS[bytes.charCodeAt(place)];
    image.data.set([red, green, blue, 255 * opacity], 4 * place);
  }
  context.putImageData(image, 0, 0);
}

// Show or hide the map over a picture; its canvas is made when it is first wanted.
function setHeat(frame, row, on) {
  let canvas = frame.querySelector("canvas");
  if (on && data.grids[row] && !canvas) {
    canvas = make("canvas", { class: "heat", "aria-hidden": "true" });
    drawHeat(canvas, row);
    frame.append(canvas);
  }
  if (canvas) canvas.hidden = !on;
}

function drawLegend() {
  const canvas = byId("legend");
  if (!canvas) return;
  const context = canvas.getContext("2d");
  // Over a grey, as a picture would be.
  context.fillStyle = "#888";
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (let x = 0; x < canvas.width; x += 1) {
    const [red, green, blue, opacity] = colourAt(x / (canvas.width - 1));
    context.fillStyle = `rgba(${red},${green},${blue},${opacity})`;
    context.fillRect(x, 0, 1, canvas.height);
  }
}
