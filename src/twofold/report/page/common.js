"use strict";
// The data of the page, what the reader has chosen, and small helpers.

const data = JSON.parse(document.getElementById("data").textContent);

const state = {
  filter: "flagged", // flagged, near, all or unreadable
  query: "", // part of a name, in lower case
  sort: "score",
  threshold: data.threshold.value,
  heat: false, // maps on all images
  boxes: true, // in the viewer
};

// Pixels that a drawing has across; it is drawn in these, so that its letters keep their size.
const widthOf = (id) => Math.max(280, byId(id).clientWidth);

const byId = (id) => document.getElementById(id);

// An element with attributes and children. Texts are only ever set as text, never as HTML.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const isUnreadable = (row) => data.scores[row] === null;
const isFlagged = (row) => !isUnreadable(row) && data.scores[row] > state.threshold;
// How far from the threshold is near: a fifth of its distance from the median calibration score.
const nearness = () =>
  Math.max(0, data.threshold.near + 0.2 * (state.threshold - data.threshold.value));
const isNear = (row) =>
  !isUnreadable(row) && Math.abs(data.scores[row] - state.threshold) <= nearness();

// The last part of a path.
const fileName = (name) => name.split(/[/\\]/).pop() || name;

const percent = (share) => `${Number((100 * share).toPrecision(3))}%`;
const round = (value, digits = 4) => Number(value.toPrecision(digits)).toString();

// What is shown as one word; the sign before it says the same without colour.
function standing(row) {
  if (isUnreadable(row)) return ["unreadable", "✕ unreadable"];
  if (isFlagged(row)) return ["flagged", isNear(row) ? "▲ flagged, near" : "▲ flagged"];
  return isNear(row) ? ["near", "◆ near"] : ["normal", "○ not flagged"];
}

function figures(row) {
  return [
    ["score", round(data.scores[row])],
    ["percentile", round(data.percentiles[row], 3)],
    ["p-value", round(data.pValues[row], 2)],
  ];
}

function labelOf(row) {
  const label = data.labels ? data.labels[row] : -1;
  return label === 1 ? "labelled anomalous" : label === 0 ? "labelled normal" : null;
}

const pictureOf = (text) => `data:image/webp;base64,${text}`;
