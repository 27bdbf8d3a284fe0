// The start of the page: submits input as a job. The modules that show a job are loaded afterwards.

import { askJson, ServiceError, setKey } from "./api.js";
import { $, guarded, html, on } from "./dom.js";
import { predictAtOnce, submitSources, submitTable } from "./jobs.js";

const HAS = Object.fromEntries(["jobs", "archive", "keys", "guide"].map((name) => [name, document.body.dataset[name] === "true"]));
let defaultModel = "default";

// Load a module on demand; the browser caches it.
async function part(name) {
  try {
    return await import(`./${name}.js`);
  } catch {
    throw new ServiceError(0, { message: "A part of this page could not be loaded. Check that the service is running, then reload the page." });
  }
}

const showJob = async (...job) => (await part("shown")).showJob(...job);
const readPasted = async () => (await part("pasted")).readPasted($("pasted").value);

function submit(make, blob, name) {
  return guarded(async () => {
    document.body.classList.add("busy");
    try {
      if (!HAS.jobs) {
        const recognised = await predictAtOnce(await blob(), name);
        $("no-jobs").replaceChildren(`The table of redshifts was saved. The input was read as: ${recognised}`);
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
  on("paste", () => submit(async () => submitTable(await readPasted(), "pasted.csv"), readPasted, "pasted.csv"));
  on("sources", () => submit(() => submitSources($("ids").value)));
  on("key-form", () => { setKey($("key").value); guarded(start); });
  on("options", () => {});
  $("prior").addEventListener("change", () => {
    const own = $("prior").value !== "own";
    $("own-prior").hidden = own;
    document.querySelector('label[for="own-prior"]').hidden = own;
  });
  $("show-card").addEventListener("click", () => guarded(async () => (await part("card")).showCard($("model").value || defaultModel)));
  $("show-jobs").addEventListener("click", () => guarded(async () => (await part("card")).showJobs()));
  addEventListener("popstate", () => guarded(showAddress));
}

async function showAddress() {
  const query = new URLSearchParams(location.search);
  if (!query.has("job") || !HAS.jobs) {
    if (!$("job").hidden) (await part("shown")).hideJob();
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
$("guide").hidden = !HAS.guide;
$("no-guide").hidden = HAS.guide;
if (HAS.keys) { // other programs cannot send the key
  for (const id of ["topcat", "table-address"]) $(id).hidden = true;
  document.querySelector('label[for="table-address"]').hidden = true;
}
listen();
document.body.classList.add("ready");
performance.mark("interactive");
guarded(start);
if (HAS.jobs) part("shown").catch(() => {}); // in advance: it is needed next
