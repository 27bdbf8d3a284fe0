// Charts in SVG. Each has a sentence that describes it, a table of its numbers on demand, and can be saved. Colours come
// from the stylesheet.

import { html, svg } from "./dom.js";
import { saveAs } from "./api.js";

const LEFT = 52, RIGHT = 20, BOTTOM = 40;
const LETTER = 6.9; // px: upper bound of the average width of a letter of 12 px

export class Chart {
  // draw(chart) is called with the chart whenever its width or its data change; `numbers` gives tables, each [header, ...rows].
  constructor(parent, { title, height = 230, top = 12, draw, numbers, brush }) {
    Object.assign(this, { title, height, top, above: top, draw, brush });
    this.svg = svg("svg", { role: "img", class: "chart" });
    this.caption = html("p", { class: "chart-text" });
    const table = html("details", { ontoggle: () => table.open && showNumbers(table, numbers()) }, html("summary", {}, "Numbers"));
    const keep = html("button", { type: "button", class: "quiet", onclick: () => this.save() }, "Save as SVG");
    this.figure = html("figure", {}, html("figcaption", {}, html("h4", {}, title)), this.svg, this.caption, html("div", { class: "chart-tools" }, keep, table));
    this.table = table;
    parent.append(this.figure);
    if (brush) this.listen();
    this.width = 0;
    new ResizeObserver(() => { if (this.shown && Math.abs(this.svg.clientWidth - this.width) > 1) this.show(); }).observe(this.svg);
  }

  show(sentence) {
    this.shown = true;
    if (sentence) {
      this.caption.replaceChildren(sentence, this.brush ? html("span", { class: "screen-only" }, " Drag to select.") : "");
      this.svg.setAttribute("aria-label", `${this.title}. ${sentence}`);
      if (this.table.open) this.table.open = false;
    }
    this.width = this.svg.clientWidth || 480;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.svg.replaceChildren();
    this.draw(this);
  }

  axes({ x, y, xLabel, yLabel, yTicks = true }) {
    this.domain = { x, y };
    const bottom = this.height - BOTTOM;
    this.x = (value) => LEFT + ((value - x[0]) / (x[1] - x[0])) * (this.width - LEFT - RIGHT);
    this.y = (value) => bottom - ((value - y[0]) / (y[1] - y[0])) * (bottom - this.top);
    const axes = svg("g", { class: "axes" }, svg("path", { d: `M${LEFT} ${this.top}V${bottom}H${this.width - RIGHT}` }));
    for (const value of ticks(x, Math.max(2, Math.floor((this.width - LEFT) / 62)))) {
      axes.append(svg("path", { d: `M${this.x(value)} ${bottom}v4` }), text(this.x(value), bottom + 16, label(value), "middle"));
    }
    if (yTicks) {
      for (const value of ticks(y, Math.max(2, Math.floor((bottom - this.top) / 40)))) {
        axes.append(svg("path", { d: `M${LEFT} ${this.y(value)}h-4` }), text(LEFT - 7, this.y(value) + 4, label(value), "end"));
      }
    }
    axes.append(text((LEFT + this.width - RIGHT) / 2, this.height - 6, xLabel, "middle"));
    axes.append(svg("text", { transform: `translate(12 ${(this.top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, yLabel));
    this.svg.append(axes);
  }

  line(xs, ys, style) {
    const points = xs.map((x, at) => (ys[at] === null ? "" : `${this.x(x).toFixed(1)} ${this.y(ys[at]).toFixed(1)}`)).filter(Boolean);
    this.svg.append(svg("path", { class: `line ${style}`, d: `M${points.join("L")}` }));
  }

  band(xs, lower, upper, style) {
    const up = xs.map((x, at) => `${this.x(x).toFixed(1)} ${this.y(upper[at]).toFixed(1)}`);
    const down = xs.map((x, at) => `${this.x(x).toFixed(1)} ${this.y(lower[at]).toFixed(1)}`).reverse();
    this.svg.append(svg("path", { class: `band ${style}`, d: `M${[...up, ...down].join("L")}Z` }));
  }

  // A function that is constant in each bin.
  steps(edges, heights, style, filled = false) {
    const places = heights.map((height, at) => `H${this.x(edges[at]).toFixed(1)}V${this.y(height).toFixed(1)}H${this.x(edges[at + 1]).toFixed(1)}`);
    const close = filled ? `V${this.y(0)}Z` : "";
    this.svg.append(svg("path", { class: `${filled ? "fill" : "line"} ${style}`, d: `M${this.x(edges[0]).toFixed(1)} ${this.y(0)}${places.join("")}${close}` }));
  }

  points(xs, ys, style, radius = 2) {
    const marks = xs.map((x, at) => (ys[at] === null ? "" : `M${this.x(x).toFixed(1)} ${this.y(ys[at]).toFixed(1)}h0`));
    this.svg.append(svg("path", { class: `points ${style}`, "stroke-width": 2 * radius, d: marks.join("") }));
  }

  mark(x, style) {
    this.svg.append(svg("path", { class: `mark ${style}`, d: `M${this.x(x)} ${this.top}V${this.height - BOTTOM}` }));
  }

  // Both intervals of an answer as bars, and its median, `at` px below the top.
  intervals(answer, at, style) {
    const place = (z) => this.x(Math.min(this.domain.x[1], Math.max(this.domain.x[0], z)));
    const bar = (from, to, kind) => svg("path", { class: `interval ${kind} ${style}`, d: `M${place(from)} ${at}H${place(to)}` });
    this.svg.append(bar(answer.redshift_lower95, answer.redshift_upper95, "wide"), bar(answer.redshift_lower, answer.redshift_upper, "narrow"));
    this.svg.append(svg("path", { class: "median", d: `M${place(answer.redshift)} ${at - 6}v12` }));
    return [place(answer.redshift_lower95), place(answer.redshift_upper95)];
  }

  // Vertical marks with names above them; a name that would overlap another is moved one tier up.
  labelled(marks, tiers, group = this.svg) {
    const ends = Array(tiers).fill(-Infinity), names = [];
    for (const { at, name, style } of [...marks].sort((one, other) => one.at - other.at)) {
      const x = this.x(at), half = (name.length * LETTER) / 2;
      const middle = Math.min(Math.max(x, LEFT + half), this.width - RIGHT - half);
      const tier = ends.findIndex((end) => end + 4 < middle - half);
      group.append(svg("path", { class: `mark ${style}`, d: `M${x} ${tier < 0 ? this.top : 16 + 14 * tier}V${this.height - BOTTOM}` }));
      if (tier < 0) continue; // no room for the name: the mark is drawn, and the sentence below names it
      ends[tier] = middle + half;
      names.push(svg("text", { class: `name ${style}`, x: middle, y: 12 + 14 * tier, "text-anchor": "middle" }, name));
    }
    group.append(...names);
  }

  // Drawn in the margin above, before the axes: it moves their top down if it needs more lines.
  legend(entries) {
    let x = LEFT, y = 10;
    for (const [name, style] of entries) {
      const wide = 28 + name.length * LETTER;
      if (x > LEFT && x + wide > this.width) [x, y] = [LEFT, y + 16];
      this.svg.append(svg("path", { class: `line ${style}`, d: `M${x} ${y}h22` }), text(x + 28, y + 4, name, "start"));
      x += wide + 18;
    }
    this.top = this.above + y - 10;
  }

  // Measured values with standard errors, each for an interval of x.
  measured(intervals, style) {
    for (const { from, to, y, error } of intervals) {
      const middle = this.x((from + to) / 2), place = (value) => this.y(Math.min(this.domain.y[1], Math.max(this.domain.y[0], value))).toFixed(1);
      const bars = `M${this.x(from).toFixed(1)} ${place(y)}H${this.x(to).toFixed(1)}M${middle.toFixed(1)} ${place(y - error)}V${place(y + error)}`;
      this.svg.append(svg("path", { class: `line ${style}`, d: bars }), svg("path", { class: `points ${style}`, "stroke-width": 5, d: `M${middle.toFixed(1)} ${place(y)}h0` }));
    }
  }

  // Dragging selects a range in the chart's units.
  listen() {
    const place = (event) => {
      const frame = this.svg.getBoundingClientRect();
      return [((event.clientX - frame.left) / frame.width) * this.width, ((event.clientY - frame.top) / frame.height) * this.height];
    };
    const value = (at, axis) => {
      const [low, high] = this.domain[axis];
      const part = axis === "x" ? (at - LEFT) / (this.width - LEFT - RIGHT) : (this.height - BOTTOM - at) / (this.height - BOTTOM - this.top);
      return low + Math.min(1, Math.max(0, part)) * (high - low);
    };
    this.svg.classList.add("brushable");
    this.svg.addEventListener("pointerdown", (down) => {
      if (!this.domain || down.button) return;
      const [x0, y0] = place(down);
      const box = svg("rect", { class: "brush" });
      this.svg.append(box);
      this.svg.setPointerCapture(down.pointerId);
      const move = (event) => {
        const [x1, y1] = place(event);
        const [yLow, yHigh] = this.brush.both ? [Math.min(y0, y1), Math.abs(y1 - y0)] : [this.top, this.height - BOTTOM - this.top];
        for (const [name, number] of Object.entries({ x: Math.min(x0, x1), width: Math.abs(x1 - x0), y: yLow, height: yHigh })) box.setAttribute(name, number);
      };
      const up = (event) => {
        this.svg.removeEventListener("pointermove", move);
        box.remove();
        const [x1, y1] = place(event);
        if (event.type === "pointercancel" || Math.abs(x1 - x0) < 4) return;
        const between = (one, other, axis) => [value(one, axis), value(other, axis)].sort((a, b) => a - b);
        this.brush.selected(between(x0, x1, "x"), this.brush.both ? between(y0, y1, "y") : null);
      };
      this.svg.addEventListener("pointermove", move);
      this.svg.addEventListener("pointerup", up, { once: true });
      this.svg.addEventListener("pointercancel", up, { once: true });
    });
  }

  save() {
    const copy = this.svg.cloneNode(true);
    const drawn = [this.svg, ...this.svg.querySelectorAll("*")];
    [copy, ...copy.querySelectorAll("*")].forEach((element, at) => {
      const style = getComputedStyle(drawn[at]);
      for (const name of ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "fill-opacity", "stroke-opacity", "font-family", "font-size"]) {
        element.setAttribute(name, style.getPropertyValue(name));
      }
      element.removeAttribute("class");
    });
    copy.setAttribute("width", this.width);
    copy.setAttribute("height", this.height);
    const paper = getComputedStyle(document.body).backgroundColor;
    copy.prepend(svg("title", {}, this.svg.getAttribute("aria-label")), svg("rect", { width: this.width, height: this.height, fill: paper }));
    const file = new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
    const address = URL.createObjectURL(file);
    saveAs(address, `${this.title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.svg`);
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }
}

function showNumbers(details, tables) {
  details.querySelector("div")?.remove();
  const cells = (row, kind) => html("tr", {}, row.map((one) => html(kind, kind === "th" ? { scope: "col" } : {}, String(one ?? "–"))));
  const made = tables.map(([header, ...rows]) => html("table", {}, html("thead", {}, cells(header, "th")), html("tbody", {}, rows.map((row) => cells(row, "td")))));
  details.append(html("div", { class: "numbers", tabindex: 0, role: "region", "aria-label": "Numbers of the chart" }, made));
}

function text(x, y, words, anchor) {
  return svg("text", { x, y, "text-anchor": anchor }, words);
}

// Round numbers within a range, up to a maximum count.
export function ticks([low, high], most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + 1e-9 * step; at += 1) found.push(at * step);
  return found;
}

function label(value) {
  const size = Math.abs(value);
  const number = Number(value.toPrecision(6));
  if (size >= 1e4 && size < 1e6) return `${number / 1000}k`;
  return size >= 1e4 || (size && size < 1e-3) ? number.toExponential().replace("+", "") : String(number);
}

export function extent(values, pad = 0.05) {
  const known = values.filter((one) => one !== null && Number.isFinite(one));
  if (!known.length) return [0, 1];
  const low = known.reduce((a, b) => Math.min(a, b)), high = known.reduce((a, b) => Math.max(a, b));
  const more = (high - low || Math.abs(high) || 1) * pad;
  return [low - more, high + more];
}
