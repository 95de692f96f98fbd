// Short names for what the page does with its own elements.

export const by = (id) => document.getElementById(id);

/** Whether a button that switches something is on, and switching it. */
export const pressed = (id) => by(id).getAttribute("aria-pressed") === "true";
export const press = (id, on) => by(id).setAttribute("aria-pressed", String(on));

/** Tell those who listen to the page. */
export function say(text) {
  by("live").textContent = text;
}

/** What went wrong, on top of the page; an empty text takes it away. */
export function fail(text) {
  by("failure").textContent = text;
  by("failure").hidden = text === "";
}
