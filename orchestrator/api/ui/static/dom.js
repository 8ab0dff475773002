// Making and changing elements. Every text becomes a text node: nothing that a contract, a node or a module
// has written is ever read as markup, as an address or as a style.

import { number } from "./format.js";

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

export function setText(element, text) {
  const wanted = String(text ?? "");
  if (element.textContent !== wanted) element.textContent = wanted;
}

export function setClass(element, name) {
  if (element.className !== name) element.className = name;
}

export function card(title, ...children) {
  return h("section", { class: "card" }, title && h("h2", {}, title), ...children);
}

// A definition list whose values change: names once, values again and again.
export class Facts {
  constructor(kind = "facts") {
    this.element = h("dl", { class: kind });
    this.values = new Map();
  }

  // `entries`: [name, text, class]. The set of names may change.
  show(entries) {
    const names = new Set(entries.map(([name]) => name));
    for (const [name, one] of this.values) {
      if (!names.has(name)) { one.row.remove(); this.values.delete(name); }
    }
    for (const [name, text, kind] of entries) {
      let one = this.values.get(name);
      if (one === undefined) {
        const value = h("dd");
        const row = h("div", {}, h("dt", {}, name), value);
        if (this.element.className === "facts") row.style.display = "contents";
        one = { row, value };
        this.values.set(name, one);
        this.element.append(row);
      }
      setText(one.value, text);
      setClass(one.value, kind ?? "");
    }
  }
}

// A table whose rows are kept by key: what has not changed is not touched, so that neither the focus nor a
// reader's place is lost. A column: {title, text, kind, wide, link}; `link` gives an address on this page.
export class Table {
  constructor(caption, columns, key, empty) {
    this.columns = columns;
    this.key = key;
    this.rows = new Map();
    this.body = h("tbody");
    this.caption = h("caption", {}, caption);
    const titles = columns.map((column) => h("th", { scope: "col", class: column.wide ? "wide" : null }, column.title));
    this.table = h("table", {}, this.caption, h("thead", {}, h("tr", {}, titles)), this.body);
    this.nothing = h("p", { class: "dim" }, empty);
    this.more = h("p", { class: "dim" });
    this.element = h("div", {}, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, this.table), this.nothing, this.more);
  }

  // `total`: how many there are, where `items` are the first of them only.
  show(items, total = items.length) {
    const hidden = total - items.length;
    this.more.hidden = hidden <= 0;
    setText(this.more, hidden > 0 ? `and ${number(hidden)} more, which came later.` : "");
    const seen = new Map(items.map((item) => [this.key(item), item]));
    // First, so that those that stay need not be moved: what is moved loses the focus.
    for (const [key, row] of this.rows) {
      if (!seen.has(key)) { row.element.remove(); this.rows.delete(key); }
    }
    let before = null;
    for (const [key, item] of seen) {
      const row = this.rows.get(key) ?? this.made(key);
      this.columns.forEach((column, place) => this.fill(row.cells[place], column, item));
      const next = before === null ? this.body.firstChild : before.nextSibling;
      if (next !== row.element) this.body.insertBefore(row.element, next);
      before = row.element;
    }
    this.nothing.hidden = seen.size > 0;
    this.table.hidden = seen.size === 0;
  }

  made(key) {
    const cells = this.columns.map((column) => {
      const inner = column.link ? h("a") : null;
      const kind = ["few", column.wide && "wide"].filter(Boolean).join(" ");
      const cell = h("td", { class: column.few || column.link || column.wide ? kind : null }, inner);
      return { cell, inner: inner ?? cell, base: cell.className };
    });
    const row = { element: h("tr", {}, cells.map((one) => one.cell)), cells };
    this.rows.set(key, row);
    return row;
  }

  fill(place, column, item) {
    setText(place.inner, column.text(item));
    if (column.kind) setClass(place.cell, `${place.base} ${column.kind(item) ?? ""}`.trim());
    if (column.link) {
      const address = column.link(item);
      if (place.inner.getAttribute("href") !== address) place.inner.setAttribute("href", address);
    }
  }
}
