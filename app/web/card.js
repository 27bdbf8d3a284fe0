// The model's card, and the list of jobs, in a dialog.

import { askJson } from "./api.js";
import { $, count, html } from "./dom.js";

function open(title, ...body) {
  $("dialog-title").textContent = title;
  $("dialog-body").replaceChildren(...body);
  $("dialog").showModal();
}

const list = (pairs) => html("dl", {}, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "").flatMap(([name, value]) => [html("dt", {}, name), html("dd", {}, String(value))]));

export async function showCard(name) {
  const { manifest: card, engine, device, priors, quality_flags: flags } = await askJson(`models/${encodeURIComponent(name)}`);
  const trained = card.training ?? {};
  open(`${card.name} ${card.version}`,
    html("p", {}, card.description),
    list([
      ["Output", card.output], ["Redshifts", card.redshift_range?.map((z) => z.toFixed(3)).join(" to ")], ["Grid", card.grid],
      ["Trained on", trained.simulated ? "simulated spectra" : "observed spectra"], ["Spectra", trained.spectra && Object.entries(trained.spectra).map(([part, number]) => `${count(number)} ${part}`).join(", ")],
      ["Data", trained.dataset], ["Priors", priors.join(", ")], ["Flags", flags.join(", ")], ["Runs on", `${engine}, ${device}`], ["Created", card.created], ["Licence", card.licence],
    ]),
    html("h3", {}, "Measured on its test set"), list(Object.entries(card.metrics ?? {})),
    html("h3", {}, "Please cite"), html("ul", {}, (card.citations ?? []).map((one) => html("li", {}, one))));
}

export async function showJobs() {
  const { jobs } = await askJson("jobs?LAST=50");
  const rows = jobs.toReversed().map((job) => html("tr", {},
    html("td", {}, html("a", { href: `?job=${encodeURIComponent(job.job_id)}` }, job.run_id ?? job.job_id)),
    html("td", {}, job.phase), html("td", { class: "number" }, count(job.progress.rows_done)), html("td", {}, job.creation_time.slice(0, 19).replace("T", " "))));
  const head = html("tr", {}, ["job", "phase", "rows", "created (UTC)"].map((name) => html("th", { scope: "col" }, name)));
  open("Your jobs", rows.length ? html("table", {}, html("thead", {}, head), html("tbody", {}, rows)) : html("p", {}, "None yet."));
}
