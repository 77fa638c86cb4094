// Elements are made of values, never of markup: text stays text, whatever is in it.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An element. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An element of a drawing. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// Control characters, marks of direction, and what cannot be seen at all.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/u;

/** Text from a job: in a box of its own direction, and with everything shown that would hide or turn other text. */
export function shown(text, limit = Infinity) {
  const all = String(text);
  const parts = all.slice(0, limit).split(new RegExp(`(${HIDDEN.source})`, "u"));
  const part = (piece, at) => at % 2 === 0 ? piece : h("span", { class: "hidden-char" }, escaped(piece));
  const box = h("bdi", {}, parts.map(part).filter((piece) => piece !== ""));
  if (all.length > limit) box.append(h("span", { class: "quiet" }, ` … (${all.length.toLocaleString("en")} characters)`));
  return box;
}

function escaped(character) {
  return `\\u${character.codePointAt(0).toString(16).padStart(4, "0")}`;
}

/** A table that stays one for those who hear it, also where it is shown as cards. Columns: name, class, and the cell of a row. */
export function table(label, columns, rows, key) {
  const heads = columns.map(({ name, kind, hide }) =>
    h("th", { scope: "col", role: "columnheader", class: kind }, hide ? h("span", { class: "unseen" }, name) : name));
  const cell = ({ name, kind, of, hide }, row, at) =>
    h(at === 0 ? "th" : "td",
      { scope: at === 0 ? "row" : null, role: at === 0 ? "rowheader" : "cell", class: kind, "data-label": hide ? null : name },
      h("div", { class: "value" }, of(row)));
  const line = (row) =>
    h("tr", { role: "row", "data-key": key(row) }, columns.map((column, at) => cell(column, row, at)));
  return h("table", { role: "table", "aria-label": label },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)),
    h("tbody", { role: "rowgroup" }, rows.map(line)));
}

/** Makes an element's content like this, and leaves alone what is so already: focus, selection and open menus stay. */
export function show(id, ...content) {
  const element = document.getElementById(id);
  const fresh = element.cloneNode(false);
  fresh.append(...content.flat(Infinity).filter((part) => part !== null && part !== undefined && part !== false));
  const had = element.contains(document.activeElement);
  children(element, fresh);
  // What had the focus is gone: it goes to the heading before it, not to the top of the page.
  if (had && !element.contains(document.activeElement)) {
    (element.closest("section, dialog")?.querySelector("h2") ?? document.getElementById("main")).focus();
  }
}

function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  children(old, fresh);
}

const keyOf = (node) => node.dataset?.key;

function children(old, fresh) {
  const wantedKeys = new Set([...fresh.childNodes].map(keyOf));
  const keyed = new Map();
  for (const node of [...old.childNodes]) {
    const key = keyOf(node);
    // Those that are gone go first: what stays need not be moved then, and a row that is moved loses the focus.
    if (key && !wantedKeys.has(key)) node.remove();
    else if (key) keyed.set(key, node);
  }
  let next = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const key = keyOf(wanted);
    const found = key ? keyed.get(key) : next && !keyOf(next) ? next : null;
    if (!found) {
      old.insertBefore(wanted, next);
      continue;
    }
    if (found === next) next = next.nextSibling;
    else old.insertBefore(found, next);
    keyed.delete(key);
    morph(found, wanted);
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
}
