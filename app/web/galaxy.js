// One galaxy: its spectrum with spectral lines at a redshift set by a slider, and p(z) under each prior with both intervals.

import { Chart, extent } from "./chart.js";
import { html, round, svg } from "./dom.js";
import { LINES } from "./lines.js";
import { FLAGS } from "./quality.js";

const TIERS = 4;
const NAMES = { survey: "survey prior", flat: "flat prior", table: "your prior" };

export class Galaxy {
  constructor(section) {
    this.section = section;
  }

  show(found, bands, onClose) {
    this.found = found;
    const { row } = found;
    const name = row.source_id ? `Source ${row.source_id}` : `Row ${row.row}`;
    const close = html("button", { type: "button", class: "quiet", onclick: onClose }, "Close");
    this.section.replaceChildren(html("div", { class: "row-head" }, html("h3", { id: "row-title", tabindex: -1 }, name), close), this.words(row));
    this.section.hidden = false;
    if (found.flux) this.drawSpectrum(bands);
    if (found.bin_edges && found.answers.length) this.drawDensity();
  }

  words(row) {
    if (row.status === "error") return html("p", { class: "notice" }, `No redshift: ${row.error}`);
    const interval = (low, high) => `${round(low)} to ${round(high)}`;
    const flags = row.quality.map((flag) => html("li", {}, html("code", {}, flag), `: ${FLAGS[flag] ?? ""}`));
    return html("div", {},
      html("p", { class: "estimate" }, html("strong", {}, `z = ${round(row.redshift)}`), `, 68% ${interval(row.redshift_lower, row.redshift_upper)}, 95% ${interval(row.redshift_lower95, row.redshift_upper95)}`),
      flags.length ? html("ul", { class: "flag-list" }, flags) : html("p", {}, "No quality flag."));
  }

  drawSpectrum(bands) {
    const { wavelength_nm: nm, flux, error, row } = this.found;
    this.z = Math.max(0, row.redshift ?? 0);
    const parts = [];
    let first = 0;
    for (const { band, samples } of bands) {
      parts.push({ band, at: [first, first + samples] });
      first += samples;
    }
    const upper = error ? flux.map((one, at) => one + error[at]) : flux, lower = error ? flux.map((one, at) => one - error[at]) : flux;
    const range = extent([...flux, 0], 0.08);
    const chart = new Chart(this.section, {
      title: "Spectrum", height: 310, top: 16 + 14 * TIERS,
      draw: () => {
        chart.axes({ x: extent(nm, 0.01), y: range, xLabel: "wavelength (nm)", yLabel: "flux (e-/s per sample)" });
        for (const { band, at } of parts) {
          const wave = nm.slice(...at), style = band.toLowerCase();
          if (error) chart.band(wave, lower.slice(...at), upper.slice(...at), style);
          chart.line(wave, flux.slice(...at), style);
        }
        chart.labelled(this.lines(nm), TIERS);
        chart.svg.append(...this.bandNames(chart, parts, nm, flux));
      },
      numbers: () => [[["wavelength (nm)", "flux", ...(error ? ["error"] : [])], ...nm.map((one, at) => [round(one, 1), round(flux[at], 4), ...(error ? [round(error[at], 4)] : [])])]],
    });
    const said = () => `BP and RP flux over wavelength${error ? ", with errors" : ""}; lines at z = ${round(this.z)}: ${this.lines(nm).map((one) => `${one.name} ${one.at.toFixed(0)} nm`).join(", ")}.`;
    chart.show(said());
    this.addSlider(chart, said);
  }

  bandNames(chart, parts, nm, flux) {
    return parts.map(({ band, at }) => {
      const values = flux.slice(...at), peak = values.indexOf(Math.max(...values)) + at[0];
      return svg("text", { class: `name ${band.toLowerCase()}`, x: chart.x(nm[peak]) + 6, y: chart.height - 50, "text-anchor": "middle" }, band);
    });
  }

  lines(nm) {
    const low = nm.reduce((a, b) => Math.min(a, b)), high = nm.reduce((a, b) => Math.max(a, b));
    return LINES.map(({ name, nm: rest, emission }) => ({ name, at: rest * (1 + this.z), style: emission ? "emission" : "absorption" })).filter(({ at }) => at > low && at < high);
  }

  addSlider(chart, said) {
    const best = Math.max(0, this.found.row.redshift ?? 0);
    const number = html("output", { for: "slide" }, round(this.z));
    const slide = html("input", { type: "range", id: "slide", min: 0, max: 0.7, step: 0.001, value: this.z });
    const move = (z) => {
      this.z = z;
      slide.value = z;
      number.textContent = round(z);
      chart.show(said());
    };
    slide.addEventListener("input", () => move(Number(slide.value)));
    const back = html("button", { type: "button", class: "quiet", onclick: () => move(best) }, "Back to the estimate");
    chart.caption.after(html("div", { class: "slider" }, html("label", { for: "slide" }, "Lines at z ="), slide, number, back));
  }

  drawDensity() {
    const { bin_edges: edges, answers } = this.found;
    const top = 18 + 22 * answers.length;
    const highest = Math.max(...answers.flatMap((one) => one.pdf));
    const chart = new Chart(this.section, {
      title: "p(z)", height: 200 + top, top,
      draw: () => {
        chart.axes({ x: [edges[0], edges.at(-1)], y: [0, 1.08 * highest], xLabel: "redshift", yLabel: "density" });
        answers.forEach((one, at) => {
          const y = 12 + 22 * at;
          chart.steps(edges, one.pdf, one.prior);
          this.nameIntervals(chart, one.prior, chart.intervals(one, y, one.prior), y);
        });
      },
      numbers: () => [[["from", "to", ...answers.map((one) => NAMES[one.prior])], ...answers[0].pdf.map((_, at) => [round(edges[at], 3), round(edges[at + 1], 3), ...answers.map((one) => round(one.pdf[at], 4))])]],
    });
    const sentence = answers.map((one) => `${NAMES[one.prior]}: z = ${round(one.redshift)}, 68% ${round(one.redshift_lower)} to ${round(one.redshift_upper)}, 95% ${round(one.redshift_lower95)} to ${round(one.redshift_upper95)}`);
    chart.show(`${sentence.join("; ")}. Bars: thick 68%, thin 95%.`);
  }

  // The name is beside its bar, on the side with more room.
  nameIntervals(chart, prior, [left, right], y) {
    const after = chart.width - right > left;
    chart.svg.append(svg("text", { class: `name ${prior}`, x: after ? right + 8 : left - 8, y: y + 4, "text-anchor": after ? "start" : "end" }, NAMES[prior]));
  }
}
