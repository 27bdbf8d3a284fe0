// A job on the page: its progress, rows, charts and one galaxy. The page's address holds the whole view, so that it can be bookmarked.

import { ask, askJson, follow, save, withQuery } from "./api.js";
import { $, count, guarded, html, on } from "./dom.js";
import { Galaxy } from "./galaxy.js";
import { Overview } from "./overview.js";
import { sendTable } from "./samp.js";
import { matchedText, RowTable } from "./table.js";

const REFRESH = 3000; // ms
const OVER = ["COMPLETED", "ERROR", "ABORTED"];
const shown = { job: null, filters: [], sort: null, row: null, all: null, following: null, done: -1, asked: 0 };

const overview = new Overview($("overview"), { onRange: selectRange, onFlag: (condition) => setFilters([...shown.filters, condition]) });
const galaxy = new Galaxy($("row"));
const table = new RowTable($("table"), {
  onOpen: (row) => guarded(() => openRow(row)),
  onSort: (sort) => { shown.sort = sort; guarded(refresh); },
  onLoaded: (page) => { $("matched").replaceChildren(`${matchedText(page)}.`, page.rows_matched ? html("span", { class: "screen-only" }, " Click a row, or press Enter, to show its spectrum.") : ""); },
});

const address = (part = "") => `jobs/${encodeURIComponent(shown.job)}${part}`;
const filter = () => shown.filters.join(";");

function keepAddress(how = "replaceState") {
  history[how](null, "", withQuery(location.pathname, { job: shown.job, row: shown.row, sort: shown.sort, filter: filter() }));
}

export async function showJob(id, { row = null, sort = null, filters = [] } = {}, how = "replaceState") {
  shown.following?.abort();
  Object.assign(shown, { job: id, row, sort, filters, all: null, done: -1, fresh: true, asked: 0, last: Promise.resolve(), following: new AbortController() });
  table.clear();
  $("row").hidden = true;
  $("job").hidden = false;
  $("job").classList.add("empty");
  $("overview").classList.add("waiting");
  overview.showInferred(null);
  keepAddress(how);
  const { signal } = shown.following;
  await follow(address("/events"), (job) => {
    showProgress(job);
    shown.last = shown.last.then(() => (signal.aborted ? null : guarded(() => showRows(job), { asked: false })));
  }, signal);
}

function showProgress(job) {
  const { rows_done: done, rows_total: total, rows_failed: failed, fraction } = job.progress;
  const over = OVER.includes(job.phase);
  $("job-title").textContent = `Job ${job.run_id ?? job.job_id}`;
  $("recognised").textContent = [job.parameters.model, `${typeof job.parameters.prior === "string" ? job.parameters.prior : "your"} prior`, job.recognised].filter(Boolean).join(" · ");
  $("progress").value = over && job.phase === "COMPLETED" ? 1 : fraction;
  $("progress").hidden = over;
  $("abort").hidden = over;
  const rows = `${count(done)}${total && !over ? ` of ${count(total)}` : ""} rows`;
  const bad = failed ? `, ${count(failed)} without a redshift` : "";
  const phase = { PENDING: "not started", QUEUED: "queued", EXECUTING: "running", COMPLETED: "done", ERROR: "failed", ABORTED: "aborted" }[job.phase];
  const until = job.phase === "EXECUTING" && job.quote ? `, until ${new Date(job.quote).toLocaleTimeString()}` : "";
  $("progress-text").textContent = `${phase}: ${rows}${bad}${until}`;
  $("table-address").value = tableAddress();
}

// New rows are shown every few seconds, not at once: the service reads all rows of the job each time.
async function showRows(job) {
  const done = job.progress.rows_done, now = performance.now();
  if (done && done !== shown.done && (shown.fresh || OVER.includes(job.phase) || now - shown.asked > REFRESH)) {
    Object.assign(shown, { done, asked: now, all: null });
    $("job").classList.remove("empty");
    await refresh({ keepPlace: !shown.fresh });
    if (shown.fresh) await openRow(shown.row ?? table.at(0)?.row, { quietly: true });
    shown.fresh = false;
  }
  if (done && OVER.includes(job.phase)) showInferred(shown.following.signal);
  if (job.error) throw Object.assign(new Error(`The job failed: ${job.error.message}`), { details: job.error.details });
}

// Asked for last: it takes the service some seconds.
async function showInferred(signal) {
  try {
    overview.showInferred(await askJson(address("/nz"), { signal }));
  } catch (error) {
    if (!signal.aborted) overview.showInferred(null, error.message.split(":")[0]);
  }
}

// Shows everything that depends on the filters and the order.
async function refresh(how = {}) {
  keepAddress();
  showFilters();
  $("table-address").value = tableAddress();
  const asked = shown.job;
  await table.show(address("/rows"), { sort: shown.sort, filter: filter() }, how);
  showColumns();
  shown.all ??= await askJson(address("/summary"));
  const chosen = shown.filters.length ? await askJson(withQuery(address("/summary"), { filter: filter() })) : null;
  if (asked !== shown.job) return;
  overview.show(shown.all, chosen);
  $("overview").classList.remove("waiting");
}

function showFilters() {
  const chips = shown.filters.map((condition) => html("li", {}, html("code", {}, condition), html("button", {
    type: "button", "aria-label": `Remove ${condition}`, onclick: () => setFilters(shown.filters.filter((one) => one !== condition)),
  }, "×")));
  if (chips.length > 1) chips.push(html("li", {}, html("button", { type: "button", onclick: () => setFilters([]) }, "Remove all")));
  $("conditions").replaceChildren(...chips);
  const end = (operator) => shown.filters.find((one) => one.startsWith(`redshift${operator}`))?.slice(8 + operator.length) ?? "";
  $("z-from").value = end(">=");
  $("z-to").value = end("<=");
}

function showColumns() {
  const names = [...table.columns.map(({ name }) => name), "brightness"];
  if ($("column").options.length !== names.length) $("column").replaceChildren(...names.map((name) => html("option", { selected: name === "redshift" }, name)));
}

function setFilters(filters) {
  const before = shown.filters;
  shown.filters = [...new Set(filters.flatMap((one) => one.split(";")).filter(Boolean))];
  return guarded(async () => {
    try {
      await refresh();
    } catch (error) {
      shown.filters = before; // the last valid ones
      showFilters();
      keepAddress();
      throw error;
    }
  });
}

function selectRange(z, brightness) {
  const others = shown.filters.filter((one) => !/^redshift[<>]=/.test(one) && !(brightness && /^brightness[<>]=/.test(one)));
  const range = (name, ends, digits) => ends.flatMap((end, at) => (end === null ? [] : [`${name}${at ? "<=" : ">="}${Number(end.toFixed(digits))}`]));
  return setFilters([...others, ...range("redshift", z, 3), ...(brightness ? range("brightness", brightness, 2) : [])]);
}

async function openRow(row, { quietly = false } = {}) {
  if (row === undefined || row === null) return;
  const found = await askJson(address(`/rows/${row}`));
  shown.grids ??= new Map();
  if (!shown.grids.has(found.model)) shown.grids.set(found.model, (await askJson(withQuery("grid", { model: found.model }))).bands);
  shown.row = row;
  table.mark(row);
  galaxy.show(found, shown.grids.get(found.model), closeRow);
  keepAddress();
  if (!quietly && matchMedia("(max-width: 62rem)").matches) $("row").scrollIntoView({ block: "start" });
}

function closeRow() {
  shown.row = null;
  $("row").hidden = true;
  table.mark(null);
  table.grid.focus();
  keepAddress();
}

const tableAddress = () => new URL(withQuery(address("/table"), { format: "votable", filter: filter() }), location.href).href;

export function hideJob() {
  shown.following?.abort();
  $("job").hidden = true;
}

on("range", () => selectRange([$("z-from"), $("z-to")].map((one) => (one.value === "" ? null : Number(one.value))), null));
on("condition", () => setFilters([...shown.filters, `${$("column").value}${$("operator").value}${$("value").value}`]));
$("abort").addEventListener("click", () => guarded(() => ask(address("/phase"), { method: "POST", body: new URLSearchParams({ PHASE: "ABORT" }) })));
$("download").addEventListener("click", () => guarded(() => save(withQuery(address("/table"), { format: $("format").value, filter: filter() }))));
$("topcat").addEventListener("click", () => guarded(async () => {
  const before = $("progress-text").textContent;
  $("progress-text").textContent = "Waiting for the SAMP hub: allow this page to connect in TOPCAT.";
  try {
    await sendTable(tableAddress(), $("job-title").textContent);
  } catch (error) {
    $("progress-text").textContent = before;
    throw error;
  }
  $("progress-text").textContent = "The table was sent to all programs of the SAMP hub.";
}));
$("copy-link").addEventListener("click", () => guarded(async () => {
  if (!navigator.clipboard) throw new Error(`Browsers allow copying on https pages only. Copy this address by hand: ${location.href}`);
  await navigator.clipboard.writeText(location.href);
  $("progress-text").textContent = "The link to this view was copied.";
}));
$("table-address").addEventListener("focus", (event) => event.target.select());
