// All galaxies of a job: n(z), flags, brightness against redshift. All rows are grey, the selected ones are drawn over them.

import { Chart, extent } from "./chart.js";
import { count, html, round } from "./dom.js";
import { FLAGS } from "./quality.js";

export class Overview {
  constructor(parent, { onRange, onFlag }) {
    this.nz = new Chart(parent, {
      title: "n(z)", height: 300, top: 28, draw: (chart) => this.drawRedshifts(chart), numbers: () => this.redshiftNumbers(),
      brush: { selected: (z) => onRange(z, null) },
    });
    this.scatter = new Chart(parent, {
      title: "Brightness against redshift", height: 300, draw: (chart) => this.drawPoints(chart), numbers: () => this.pointNumbers(),
      brush: { both: true, selected: (z, brightness) => onRange(z, brightness) },
    });
    this.flags = html("div", { class: "flags" });
    this.onFlag = onFlag;
    parent.append(html("figure", {}, html("figcaption", {}, html("h4", {}, "Quality flags")), this.flags));
  }

  show(all, chosen) {
    this.all = all;
    this.chosen = chosen;
    this.showRedshifts();
    const points = (chosen ?? all).points.row.length;
    this.scatter.show(`${points ? `${count(points)} galaxies, evenly chosen${chosen ? " from those selected" : ""}` : "No galaxy is selected"}; brightness is log10 of all flux in BP and RP, in e-/s.`);
    this.showFlags(all, chosen);
  }

  // The answer of GET /jobs/{id}/nz, or the reason why there is none; null until it is known.
  showInferred(inferred, why) {
    this.inferred = inferred;
    this.why = why;
    if (this.all) this.showRedshifts();
  }

  showRedshifts() {
    const { all, chosen } = this;
    const galaxies = sum(all.histogram.counts), selected = chosen ? sum(chosen.histogram.counts) : 0;
    const now = chosen ?? all, density = now.stacked;
    const most = now.histogram.counts.indexOf(Math.max(...now.histogram.counts));
    const which = chosen ? `${count(selected)} of ${count(galaxies)} redshifts selected` : `${count(galaxies)} redshifts`;
    const peak = galaxies && sum(now.histogram.counts) ? `, most between ${round(now.histogram.edges[most], 2)} and ${round(now.histogram.edges[most + 1], 2)}` : "";
    const stacked = density ? ` The line stacks the densities of ${count(density.rows)} of them.` : "";
    this.nz.show(`${which}${peak}.${stacked}${this.inferredWords()}`);
  }

  inferredWords() {
    const { inferred, why } = this;
    if (!inferred) return why ? ` No n(z) was inferred: ${why}.` : "";
    const mean = inferred.redshift_mean === null ? ", which do not constrain the mean" : `: mean z ${round(inferred.redshift_mean)} ± ${round(inferred.redshift_mean_error)}`;
    return ` Points with standard errors: n(z) inferred from ${count(inferred.galaxies)} galaxies${mean}${this.chosen ? "; it is for all rows, not for the selection" : ""}.`;
  }

  // Galaxies per bin of the histogram, in intervals where n(z) is known; scaled from the galaxies that were used.
  inferredIntervals(width) {
    const { galaxies, left_out: leftOut, intervals } = this.inferred ?? { intervals: [] };
    const scale = (sum(this.all.histogram.counts) / (galaxies + leftOut)) * width;
    return intervals.filter(({ n }) => n !== null).map(({ z_low: from, z_high: to, n, error }) => ({ from, to, y: (n * scale) / (to - from), error: (error * scale) / (to - from) }));
  }

  drawRedshifts(chart) {
    const { all, chosen } = this, now = chosen ?? all;
    const { edges, counts } = all.histogram;
    const width = edges[1] - edges[0], size = sum(now.histogram.counts);
    const line = now.stacked ? now.stacked.density.map((one) => one * size * width) : [];
    const inferred = this.inferredIntervals(width).filter(({ to }) => to <= edges.at(-1) + 1e-9);
    const scale = Math.max(1, ...counts, ...line, ...inferred.map(({ y, error }) => y + error));
    const entries = [[chosen ? "selected" : "estimates", "main"], ...(chosen ? [["all", "grey"]] : []), ...(now.stacked ? [["stacked p(z)", "stack"]] : []), ...(inferred.length ? [[chosen ? "inferred, all" : "inferred n(z)", "inferred"]] : [])];
    chart.legend(entries);
    chart.axes({ x: [edges[0], edges.at(-1)], y: [0, 1.08 * scale], xLabel: "redshift", yLabel: "galaxies per bin" });
    chart.steps(edges, counts, chosen ? "grey" : "main", true);
    if (chosen) chart.steps(edges, chosen.histogram.counts, "main", true);
    if (now.stacked) {
      const last = now.stacked.bin_edges.findIndex((edge) => edge >= edges.at(-1));
      const bins = last < 0 ? line.length : last;
      chart.steps(now.stacked.bin_edges.slice(0, bins + 1), line.slice(0, bins), "stack");
    }
    chart.measured(inferred, "inferred");
  }

  redshiftNumbers() {
    const { edges, counts } = this.all.histogram;
    const own = this.chosen?.histogram.counts;
    const rows = counts.map((all, at) => [round(edges[at], 3), round(edges[at + 1], 3), all, ...(own ? [own[at]] : [])]);
    const inferred = this.inferredIntervals(1).map(({ from, to, y, error }) => [round(from, 3), round(to, 3), round(y * (to - from), 1), round(error * (to - from), 1)]);
    return [[["from", "to", "all", ...(own ? ["selected"] : [])], ...rows], ...(inferred.length ? [[["from", "to", "inferred", "error"], ...inferred]] : [])];
  }

  drawPoints(chart) {
    const { points } = this.all, chosen = this.chosen?.points;
    chart.axes({
      x: extent(points.redshift), y: extent(points.brightness), xLabel: "redshift", yLabel: "log flux (e-/s)",
    });
    chart.points(points.redshift, points.brightness, chosen ? "grey" : "main");
    if (chosen) chart.points(chosen.redshift, chosen.brightness, "main", 2.5);
  }

  pointNumbers() {
    const { row, redshift, brightness } = (this.chosen ?? this.all).points;
    return [[["row", "redshift", "brightness"], ...row.slice(0, 500).map((one, at) => [one, round(redshift[at], 4), round(brightness[at], 3)])]];
  }

  showFlags(all, chosen) {
    const total = Math.max(1, all.rows_matched);
    const bar = (name, words, number, of, filter) => {
      const share = html("progress", { max: total, value: number, "aria-hidden": "true" });
      const button = html("button", { type: "button", class: "quiet", title: words, onclick: () => this.onFlag(filter) }, name);
      const shown = chosen ? `${count(of)} of ${count(number)}` : count(number);
      return html("li", {}, button, share, html("span", {}, shown), html("small", {}, words));
    };
    const flags = Object.entries(all.flags).filter(([name]) => name);
    const rows = flags.map(([name, number]) => bar(name, FLAGS[name] ?? "", number, chosen?.flags[name] ?? 0, `quality~${name}`));
    rows.push(bar("no flag", "No check raised a flag.", all.flags[""] ?? 0, chosen?.flags[""] ?? 0, "quality=;status=ok"));
    for (const [code, number] of Object.entries(all.errors)) rows.push(bar(code, "No redshift: the table gives the reason.", number, chosen?.errors[code] ?? 0, `error~${code}`));
    this.flags.replaceChildren(html("ul", {}, rows));
  }
}

const sum = (numbers) => numbers.reduce((one, other) => one + other, 0);
