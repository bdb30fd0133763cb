export const $ = (id) => document.getElementById(id);

/** Makes an element: properties are set as such, and what follows are its children. */
export function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

export function setIcon(button, name) {
  button.querySelector("use").setAttribute("href", `#i-${name}`);
}

/** Gives somebody a face: the first letter of the name, on a colour that follows from it. */
export function portray(element, user) {
  let hash = 0;
  for (const c of user) hash = (hash * 31 + c.codePointAt(0)) % 360;
  element.style.setProperty("--hue", hash);
  [element.textContent] = new Intl.Segmenter().segment(user)[Symbol.iterator]().next().value.segment.trim() || "?";
}

const mostNotices = 3;

/** Tells something in passing, to eyes and to screen readers. What is told again takes the place of what was told. */
export function notify(text) {
  const notices = $("notices");
  [...notices.children].find((note) => note.textContent === text)?.remove();
  if (notices.children.length === mostNotices) notices.firstElementChild.remove();
  const note = make("p", { textContent: text });
  notices.append(note);
  setTimeout(() => note.remove(), 8000);
}
