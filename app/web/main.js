// The page: what is given becomes a job, and a job is shown. The address says all that is shown, so that it can be kept.

import { ask, askJson, follow, save, setKey, withQuery } from "./api.js";
import { showCard, showJobs } from "./card.js";
import { $, count, html } from "./dom.js";
import { Galaxy } from "./galaxy.js";
import { predictAtOnce, readPasted, submitSources, submitTable } from "./jobs.js";
import { Overview } from "./overview.js";
import { sendTable } from "./samp.js";
import { matchedText, RowTable } from "./table.js";

const HAS = Object.fromEntries(["jobs", "archive", "keys"].map((name) => [name, document.body.dataset[name] === "true"]));
const REFRESH = 3000; // ms
const OVER = ["COMPLETED", "ERROR", "ABORTED"];
const shown = { job: null, filters: [], sort: null, row: null, all: null, following: null, done: -1, asked: 0 };
let defaultModel = "default";

const overview = new Overview($("overview"), { onRange: selectRange, onFlag: (condition) => setFilters([...shown.filters, condition]) });
const galaxy = new Galaxy($("row"));
const table = new RowTable($("table"), {
  onOpen: (row) => guarded(() => openRow(row)),
  onSort: (sort) => { shown.sort = sort; guarded(refresh); },
  onLoaded: (page) => { $("matched").textContent = `${matchedText(page)}. A click on a row, or Enter, shows its spectrum.`; },
});

// Whatever goes wrong is told in one place, until the next thing that the reader asks for.
async function guarded(work, { asked = true } = {}) {
  if (asked) $("problem").hidden = true;
  try {
    return await work();
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    const details = (error.details ?? []).slice(0, 10).map(({ at, message }) => html("li", {}, html("code", {}, at), `: ${message}`));
    $("problem").replaceChildren(html("p", {}, error.message), details.length ? html("ul", {}, details) : "");
    $("problem").hidden = false;
    if (error.status === 401) $("key").focus();
    return undefined;
  }
}

const address = (part = "") => `jobs/${encodeURIComponent(shown.job)}${part}`;
const filter = () => shown.filters.join(";");

function keepAddress(how = "replaceState") {
  history[how](null, "", withQuery(location.pathname, { job: shown.job, row: shown.row, sort: shown.sort, filter: filter() }));
}

function submit(make, blob, name) {
  return guarded(async () => {
    document.body.classList.add("busy");
    try {
      if (!HAS.jobs) {
        const recognised = await predictAtOnce(await blob(), name);
        $("no-jobs").replaceChildren(`The table with redshifts was saved. It was taken for: ${recognised}`);
        return;
      }
      const job = await make();
      guarded(() => showJob(job.job_id, {}, "pushState"));
    } finally {
      document.body.classList.remove("busy");
    }
  });
}

const submitFile = (file) => submit(() => submitTable(file, file.name), () => file, file.name);

async function showJob(id, { row = null, sort = null, filters = [] } = {}, how = "replaceState") {
  shown.following?.abort();
  Object.assign(shown, { job: id, row, sort, filters, all: null, done: -1, fresh: true, asked: 0, last: Promise.resolve(), following: new AbortController() });
  table.clear();
  $("row").hidden = true;
  $("job").hidden = false;
  $("job").classList.add("empty");
  $("overview").classList.add("waiting");
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
  const phase = { PENDING: "waits to be run", QUEUED: "waits for its turn", EXECUTING: "works", COMPLETED: "done", ERROR: "failed", ABORTED: "aborted" }[job.phase];
  const until = job.phase === "EXECUTING" && job.quote ? `, until ${new Date(job.quote).toLocaleTimeString()}` : "";
  $("progress-text").textContent = `${phase}: ${rows}${bad}${until}`;
  $("table-address").value = tableAddress();
}

// As rows are done they appear, every few seconds: those of a large job are looked through each time.
async function showRows(job) {
  const done = job.progress.rows_done, now = performance.now();
  if (done && done !== shown.done && (shown.fresh || OVER.includes(job.phase) || now - shown.asked > REFRESH)) {
    Object.assign(shown, { done, asked: now, all: null });
    $("job").classList.remove("empty");
    await refresh({ keepPlace: !shown.fresh });
    if (shown.fresh) await openRow(shown.row ?? table.at(0)?.row, { quietly: true });
    shown.fresh = false;
  }
  if (job.error) throw Object.assign(new Error(`The job failed: ${job.error.message}`), { details: job.error.details });
}

// All that depends on the filters and the order.
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
      shown.filters = before; // the last ones that were understood
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

function listen() {
  const drop = $("drop");
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) submitFile(event.dataTransfer.files[0]);
    });
  }
  $("file").addEventListener("change", () => {
    if ($("file").files.length) submitFile($("file").files[0]);
    $("file").value = "";
  });
  $("example").addEventListener("click", () => {
    const example = async () => (await fetch("static/page/example.parquet")).blob();
    submit(async () => submitTable(await example(), "example.parquet"), example, "example.parquet");
  });
  on("paste", () => submit(async () => submitTable(readPasted($("pasted").value), "pasted.csv"), async () => readPasted($("pasted").value), "pasted.csv"));
  on("sources", () => submit(() => submitSources($("ids").value)));
  on("range", () => selectRange([$("z-from"), $("z-to")].map((one) => (one.value === "" ? null : Number(one.value))), null));
  on("condition", () => setFilters([...shown.filters, `${$("column").value}${$("operator").value}${$("value").value}`]));
  on("key-form", () => { setKey($("key").value); guarded(start); });
  on("options", () => {});
  $("prior").addEventListener("change", () => {
    const own = $("prior").value !== "own";
    $("own-prior").hidden = own;
    document.querySelector('label[for="own-prior"]').hidden = own;
  });
  $("abort").addEventListener("click", () => guarded(() => ask(address("/phase"), { method: "POST", body: new URLSearchParams({ PHASE: "ABORT" }) })));
  $("download").addEventListener("click", () => guarded(() => save(withQuery(address("/table"), { format: $("format").value, filter: filter() }))));
  $("topcat").addEventListener("click", () => guarded(async () => {
    await sendTable(tableAddress(), $("job-title").textContent);
    $("progress-text").textContent = "sent to all programs of the SAMP hub";
  }));
  $("copy-link").addEventListener("click", () => guarded(async () => {
    if (!navigator.clipboard) throw new Error(`Browsers copy for pages of https alone: copy the address of this page, ${location.href}`);
    await navigator.clipboard.writeText(location.href);
    $("progress-text").textContent = "The link to what is shown was copied.";
  }));
  $("table-address").addEventListener("focus", (event) => event.target.select());
  $("show-card").addEventListener("click", () => guarded(() => showCard($("model").value || defaultModel)));
  $("show-jobs").addEventListener("click", () => guarded(showJobs));
  addEventListener("popstate", () => guarded(showAddress));
}

const on = (form, work) => $(form).addEventListener("submit", (event) => { event.preventDefault(); work(); });

async function showAddress() {
  const query = new URLSearchParams(location.search);
  if (!query.has("job") || !HAS.jobs) {
    shown.following?.abort();
    $("job").hidden = true;
    return;
  }
  const row = query.has("row") ? Number(query.get("row")) : null;
  await showJob(query.get("job"), { row, sort: query.get("sort"), filters: (query.get("filter") ?? "").split(";").filter(Boolean) });
}

async function start() {
  const models = (async () => {
    const { models: known } = await askJson("models");
    defaultModel = known.find((one) => one.default)?.manifest.name ?? defaultModel;
    const names = known.map(({ default: first, manifest: { name, version } }) => html("option", { value: `${name}@${version}`, selected: first }, `${name} ${version}`));
    $("model").replaceChildren(...names);
  })();
  await Promise.all([models, showAddress()]);
}

$("no-jobs").hidden = HAS.jobs;
$("show-jobs").hidden = !HAS.jobs;
$("by-source").hidden = !(HAS.jobs && HAS.archive);
$("key-form").hidden = !HAS.keys;
if (HAS.keys) { // other programs have no key
  for (const id of ["topcat", "table-address"]) $(id).hidden = true;
  document.querySelector('label[for="table-address"]').hidden = true;
}
listen();
document.body.classList.add("ready");
performance.mark("interactive");
guarded(start);
