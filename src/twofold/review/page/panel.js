// What stands beside the image: estimates, and the page of results. Names are always text.

const percent = (share) => (100 * share).toFixed(share > 0 && share < 0.01 ? 1 : 0);

/** An element with a text and children; nothing here is ever read as HTML. */
function element(name, text = "", ...children) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

/** Name, score and decision of the model, as one line. */
export function factsText(facts) {
  const decision = facts.flagged ? "flagged" : "not flagged";
  return `The model: ${decision}, score ${Number(facts.score.toPrecision(4))}. ${facts.name}`;
}

/** How far the reviewer has come. */
export function headline(state) {
  if (state.current === null) return "All images are marked.";
  const extra = state.done > state.planned ? " (more than planned)" : "";
  return `${state.done} of ${state.planned} marked${extra}`;
}

/** How long a mark takes, and what is left of the plan at that pace. */
export function pace(state) {
  if (state.seconds === null) return "Stop at any time, and go on later.";
  const each = `${state.seconds.toFixed(state.seconds < 10 ? 1 : 0)} s a mark`;
  const minutes = ((state.planned - state.done) * state.seconds) / 60;
  if (minutes <= 0) return each;
  return `${each}, ${minutes < 1 ? "less than a minute" : `about ${Math.round(minutes)} min`} left`;
}

/** The rows of a table of estimates; with what each rate means, where there is room for it. */
export function showEstimates(body, estimates, meanings = false) {
  body.replaceChildren(...estimates.rates.map((rate) => {
    const row = element("tr");
    const name = element("th", rate.label);
    name.scope = "row";
    if (meanings) {
      const meaning = element("span", rate.meaning);
      meaning.className = "meaning";
      name.append(meaning);
    }
    const bar = element("span");
    bar.className = "bar";
    bar.setAttribute("aria-hidden", "true");
    const part = element("i");
    part.style.left = `${100 * rate.low}%`;
    part.style.width = `${100 * (rate.high - rate.low)}%`;
    bar.append(part);
    const value = element("td", rate.value === null ? "not yet" : `${percent(rate.value)}%`);
    const known = rate.value !== null || rate.low > 0 || rate.high < 1;
    const ends = known ? `${percent(rate.low)} to ${percent(rate.high)}%` : "–";
    row.append(name, value, known ? element("td", ends, bar) : element("td", ends));
    return row;
  }));
}

/** Who marked what, and where reviewers differ. */
export function showResults(root, results, { thumbnail, lookAgain }) {
  const find = (id) => root.querySelector(`#${id}`);
  find("results-lead").textContent = results.lead;
  showEstimates(find("results-estimates"), results.estimates, true);
  find("results-further").textContent = results.estimates.further ?? "";
  find("reviewers").replaceChildren(...results.reviewers.map((one) => {
    const name = element("th", one.name);
    name.scope = "row";
    const marks = `${one.normal} normal, ${one.anomalous} anomalous, ${one.unsure} unsure`;
    const seconds = one.seconds?.toFixed(1) ?? "–";
    return element("tr", "", name, element("td", marks), element("td", seconds));
  }));
  const table = find("disagreements");
  table.hidden = results.disagreements.length === 0;
  find("no-disagreements").hidden = !table.hidden;
  find("about-disagreements").hidden = table.hidden;
  table.querySelector("tbody").replaceChildren(...results.disagreements.map((one) => {
    const picture = element("img");
    picture.alt = "";
    thumbnail(one.image).then((found) => (picture.src = found.url), () => {});
    const marks = element("ul", "", ...one.marks.map(([who, mark]) => element("li", `${who}: ${mark}`)));
    const name = element("th", one.name, picture);
    name.scope = "row";
    const again = element("button", "Look again");
    again.type = "button";
    again.setAttribute("aria-label", `Look again at ${one.name}`);
    again.addEventListener("click", () => lookAgain(one.image));
    return element("tr", "", name, element("td", "", marks, again));
  }));
}
