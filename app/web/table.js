// A table that holds only its visible rows; the service sorts, filters and sends rows in blocks.

import { askJson, withQuery } from "./api.js";
import { count, html } from "./dom.js";
import { FLAGS } from "./quality.js";

const ROW = 30, BLOCK = 200, BLOCKS = 30;
const TALLEST = 15e6; // px; browsers allow about 30 million
const FIRST = ["row", "source_id", "redshift", "redshift_lower", "redshift_upper", "quality", "error", "redshift_lower95", "redshift_upper95", "status"];
const TITLES = { redshift_lower: "68% from", redshift_upper: "68% to", redshift_lower95: "95% from", redshift_upper95: "95% to", quality: "flags" };

export class RowTable {
  constructor(parent, { onOpen, onSort, onLoaded }) {
    Object.assign(this, { onOpen, onSort, onLoaded });
    this.head = html("thead");
    this.body = html("tbody");
    this.grid = html("table", { role: "grid", tabindex: 0, "aria-labelledby": "table-title", onkeydown: (event) => this.press(event) }, this.head, this.body);
    this.tall = html("div", { class: "tall" }, this.grid);
    this.scroller = html("div", { class: "scroller", onscroll: () => this.schedule() }, this.tall);
    this.printed = html("p", { class: "print-only" });
    parent.replaceChildren(this.scroller, this.printed);
    new ResizeObserver(() => this.schedule()).observe(this.scroller);
    this.clear();
  }

  clear() {
    this.rows = 0;
    this.active = 0;
    this.opened = null;
    this.columns = [];
    this.blocks = new Map();
    this.waiting?.abort();
    this.waiting = new AbortController();
  }

  // Show a job's rows for a query {sort, filter}; the old rows stay until the new ones arrive.
  async show(address, query, { keepPlace = false } = {}) {
    this.waiting?.abort();
    this.waiting = new AbortController();
    this.address = address;
    this.query = query;
    this.blocks = new Map();
    if (!keepPlace) {
      this.active = 0;
      this.scroller.scrollTop = 0;
    }
    await this.load(keepPlace ? Math.floor(this.first() / BLOCK) : 0);
    this.columns = order(this.described);
    this.drawHead();
    this.draw();
  }

  async load(block) {
    if (this.blocks.has(block)) return;
    this.blocks.set(block, null);
    const { signal } = this.waiting;
    try {
      const page = await askJson(withQuery(this.address, { offset: block * BLOCK, limit: BLOCK, ...this.query }), { signal });
      if (this.blocks.size > BLOCKS) this.blocks.delete(this.blocks.keys().next().value);
      this.blocks.set(block, page.rows);
      this.described = page.columns;
      this.rows = page.rows_matched;
      this.tall.style.height = `${Math.min(TALLEST, (this.rows + 1) * ROW + 8)}px`;
      this.onLoaded(page);
    } catch (error) {
      if (signal.aborted) return;
      this.blocks.delete(block);
      throw error;
    }
  }

  visible() {
    return Math.max(1, Math.floor((this.scroller.clientHeight - ROW - 1) / ROW));
  }

  first() {
    const room = this.tall.clientHeight - this.scroller.clientHeight;
    if (room <= 0) return 0;
    const last = Math.max(0, this.rows - this.visible());
    return Math.min(last, Math.round((this.scroller.scrollTop / room) * last));
  }

  schedule() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (!matchMedia("print").matches) this.draw(); // no scrolling in print
    });
  }

  drawHead() {
    const falling = this.query.sort?.startsWith("-"), by = this.query.sort?.replace("-", "");
    const cells = this.columns.map(({ name, type, unit, description }) => {
      const sorted = name === by ? (falling ? "descending" : "ascending") : "none";
      const sign = { none: "", ascending: " ▲", descending: " ▼" }[sorted];
      const about = [description, unit && `in ${unit}`].filter(Boolean).join(", ");
      const next = sorted === "ascending" ? `-${name}` : name;
      const button = html("button", { type: "button", title: about || name, onclick: () => this.onSort(next) }, `${TITLES[name] ?? name}${sign}`);
      return html("th", { scope: "col", "aria-sort": sorted, class: `${numeric(type)} c-${name}` }, button);
    });
    this.head.replaceChildren(html("tr", { "aria-rowindex": 1 }, cells));
    this.grid.setAttribute("aria-rowcount", this.rows + 1);
  }

  draw() {
    if (!this.columns.length) return;
    const first = this.first(), until = Math.min(this.rows, first + this.visible());
    const rows = [];
    for (let at = first; at < until; at += 1) rows.push(this.drawRow(at));
    this.body.replaceChildren(...rows);
    this.printed.textContent = `Printed: ${count(rows.length)} of ${count(this.rows)} rows, those that were visible.`;
    this.grid.setAttribute("aria-rowcount", this.rows + 1);
    this.grid.setAttribute("aria-activedescendant", this.active >= first && this.active < until ? `r${this.active}` : "");
    for (const block of new Set([Math.floor(first / BLOCK), Math.floor(Math.max(first, until - 1) / BLOCK)])) {
      if (!this.blocks.has(block)) this.load(block).then(() => this.schedule(), () => {});
    }
  }

  at(place) {
    return this.blocks.get(Math.floor(place / BLOCK))?.[place % BLOCK];
  }

  drawRow(place) {
    const row = this.at(place);
    const state = [place === this.active && "active", row && row.row === this.opened && "opened", row?.status === "error" && "failed"].filter(Boolean).join(" ");
    const cells = this.columns.map(({ name, type }) => html("td", { class: `${numeric(type)} c-${name}` }, row ? cell(name, row[name], type) : "…"));
    return html("tr", { id: `r${place}`, class: state, "aria-rowindex": place + 2, "aria-selected": String(Boolean(row && row.row === this.opened)), onclick: () => this.open(place) }, cells);
  }

  open(place) {
    const row = this.at(place);
    if (!row) return;
    this.active = place;
    this.opened = row.row;
    this.draw();
    this.onOpen(row.row);
  }

  mark(row) {
    this.opened = row;
    this.draw();
  }

  press(event) {
    if (event.target !== this.grid) return;
    const page = this.visible() - 1;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.rows, End: this.rows };
    if (event.key === "Enter" || event.key === " ") this.open(this.active);
    else if (event.key in steps) this.goTo(this.active + steps[event.key]);
    else return;
    event.preventDefault();
  }

  goTo(place) {
    this.active = Math.min(this.rows - 1, Math.max(0, place));
    const first = this.first(), visible = this.visible();
    const wanted = this.active < first ? this.active : this.active >= first + visible ? this.active - visible + 1 : first;
    if (wanted !== first) {
      const room = this.tall.clientHeight - this.scroller.clientHeight;
      this.scroller.scrollTop = (wanted / Math.max(1, this.rows - visible)) * room;
    }
    this.draw();
  }
}

function order(described) {
  const row = { name: "row", type: "integer", description: "Number of the row in its table, from 0" };
  const own = FIRST.map((name) => (name === "row" ? row : described.find((one) => one.name === name))).filter(Boolean);
  return [...own, ...described.filter(({ name }) => !FIRST.includes(name))];
}

function cell(name, value, type) {
  if (value === null || value === undefined) return "";
  if (name === "quality") return html("span", {}, value.map((flag) => html("abbr", { title: FLAGS[flag] ?? flag }, flag)));
  if (name === "error") return html("span", { title: value }, value);
  if (type !== "number") return String(value);
  return name.startsWith("redshift") ? value.toFixed(4) : String(Number(value.toPrecision(6)));
}

const numeric = (type) => (type === "number" || type === "integer" ? "number" : "");

export const matchedText = (page) => (page.rows_matched === page.rows_done ? `${count(page.rows_done)} rows` : `${count(page.rows_matched)} of ${count(page.rows_done)} rows match the filters`);
