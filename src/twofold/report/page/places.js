// The map of both domains: a sign for each image, another for each group, and the same as a table.

const GROUPS = [
  ["source", "normal images of the source"],
  ["target", "presumed normals of the target"],
  ["normal", "these images, not flagged"],
  ["flagged", "these images, flagged"],
];

// A square, a triangle, a ring and a cross.
const SIGNS = {
  source: (x, y) => `M${x - 3} ${y - 3}h6v6h-6z`,
  target: (x, y) => `M${x} ${y - 4}l4 7h-8z`,
  normal: (x, y) => `M${x - 3} ${y}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0`,
  flagged: (x, y) => `M${x - 4} ${y - 4}l8 8m0 -8l-8 8`,
};

const middleOf = (values) => {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted.length ? sorted[Math.floor(sorted.length / 2)] : NaN;
};

function grouped() {
  const { source, target, new: fresh, nearTarget } = data.places;
  const found = { source, target, normal: [], flagged: [] };
  const nearer = { normal: 0, flagged: 0 };
  fresh.forEach(([row, x, y], place) => {
    const group = isFlagged(row) ? "flagged" : "normal";
    found[group].push([x, y]);
    nearer[group] += nearTarget[place];
  });
  return [found, nearer];
}

function showPlaces() {
  if (!data.places) return;
  const [found, nearer] = grouped();
  const all = Object.values(found).flat();
  const [width, rim] = [widthOf("scatter"), 14];
  const height = Math.round(Math.min(480, 0.6 * width));
  const bounds = [0, 1].map((k) => {
    const values = all.map((point) => point[k]);
    return [Math.min(...values), Math.max(...values)];
  });
  const scale = (value, k, size) => {
    const [low, high] = bounds[k];
    return rim + ((value - low) / (high - low || 1)) * (size - 2 * rim);
  };
  const svg = makeSvg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  svg.setAttribute("aria-label", "Map of the images of both domains; the table below says the same in figures");
  for (const [group] of GROUPS) {
    const path = found[group]
      .map(([x, y]) => SIGNS[group](Math.round(scale(x, 0, width)), height - Math.round(scale(y, 1, height))))
      .join("");
    svg.append(makeSvg("path", { class: group, d: path }));
  }
  const key = make("ul", { class: "key signs" });
  for (const [group, words] of GROUPS) {
    const sign = makeSvg("svg", { viewBox: "-7 -7 14 14", "aria-hidden": "true" });
    sign.append(makeSvg("path", { class: group, d: SIGNS[group](0, 0) }));
    key.append(make("li", {}, sign, words));
  }
  byId("scatter").replaceChildren(svg, key);
  showGroups(found, nearer);
}

function showGroups(found, nearer) {
  const table = byId("groups");
  const head = make("tr", {});
  for (const words of ["group", "images shown", "middle (x, y)", "half lie within", "nearest normal is of the target"]) {
    head.append(make("th", { scope: "col" }, words));
  }
  const body = make("tbody", {});
  for (const [group, words] of GROUPS) {
    const points = found[group];
    const centre = [0, 1].map((k) => middleOf(points.map((point) => point[k])));
    const within = middleOf(points.map(([x, y]) => Math.hypot(x - centre[0], y - centre[1])));
    const share = group in nearer && points.length ? percent(nearer[group] / points.length) : "–";
    const place = points.length ? centre.map((value) => round(value)).join(", ") : "–";
    const cells = [points.length.toLocaleString("en"), place, points.length ? round(within) : "–", share];
    body.append(make("tr", {}, make("th", { scope: "row" }, words), ...cells.map((cell) => make("td", {}, cell))));
  }
  table.replaceChildren(table.caption, make("thead", {}, head), body);
}
