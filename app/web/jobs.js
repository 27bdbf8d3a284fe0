// Submitting a table or source ids as a job.

import { $ } from "./dom.js";
import { askJson, save, ServiceError, withQuery } from "./api.js";

export function options() {
  const prior = $("prior").value;
  return { model: $("model").value, prior: prior === "own" ? $("own-prior").value : prior, unit: $("unit").value };
}

// Parquet keeps the columns' types; other formats are made from it when they are saved.
export async function submitTable(blob, name) {
  const form = new FormData();
  for (const [key, value] of Object.entries({ ...options(), format: "parquet", PHASE: "RUN" })) if (value) form.append(key, value);
  form.append("file", blob, name);
  return askJson("jobs", { method: "POST", body: form });
}

export async function submitSources(text) {
  const source_ids = text.split(/[\s,;]+/).filter(Boolean);
  const wrong = source_ids.find((one) => !/^\d+$/.test(one));
  if (wrong) throw new ServiceError(0, { message: `“${wrong}” is not a source id: source ids are whole numbers.` });
  const form = new URLSearchParams({ format: "parquet", PHASE: "RUN", source_ids: source_ids.join(",") });
  for (const [key, value] of Object.entries(options())) if (value && key !== "unit") form.append(key, value);
  return askJson("jobs", { method: "POST", body: form });
}

// Without jobs, the table of redshifts is downloaded.
export async function predictAtOnce(blob, name) {
  const { prior, ...query } = options();
  const form = new FormData();
  form.append("file", blob, name);
  form.append("prior", prior);
  const replied = await save(withQuery("predict/table", query), { method: "POST", body: form, name: `redshifts-${name}` });
  return replied.get("X-Recognised");
}
