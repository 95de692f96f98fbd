// Single keys. They can be switched off, and never act while something else wants the key.

/**
 * keys: key -> action, while an image is judged; always: also in the help; outsideHelp: also on
 * the page of results. single(), helpOpen(), judging(), zoomed(): how things stand.
 */
export function onKeys({ keys, always, outsideHelp, single, helpOpen, judging, zoomed }) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const letter = event.key.length === 1;
    if (letter && !single()) return;
    const key = letter ? event.key.toLowerCase() : event.key;
    if (event.repeat && letter && !"+=-".includes(key)) return; // a key that is held down
    if (key.startsWith("Arrow") && !zoomed()) return; // the page scrolls
    const action =
      always[key] ?? (helpOpen() ? null : outsideHelp[key] ?? (judging() ? keys[key] : null));
    if (!action) return;
    event.preventDefault();
    action();
  });
}
