// Makes CSV from pasted text: spectra on one line or on two (BP, RP), or JSON. A table with a header is sent unchanged.

import { ServiceError } from "./api.js";

const BANDS = { bp: [80, 120], rp: [106, 120] }; // truncated, or all samples
const WHOLE = [BANDS.bp[0] + BANDS.rp[0], BANDS.bp[1] + BANDS.rp[1]];
const NEEDED = `a spectrum has ${WHOLE[0]} fluxes or all ${WHOLE[1]}; BP alone ${BANDS.bp[0]} or ${BANDS.bp[1]}, RP ${BANDS.rp[0]} or ${BANDS.rp[1]}`;

export function readPasted(text) {
  const spectra = /^\s*[[{]/.test(text) ? fromJson(text) : null;
  if (!spectra && /^\s*[A-Za-z_"#{<]/.test(text) && !/^\s*nan\b/i.test(text)) return new Blob([text], { type: "text/plain" });
  return table(spectra ?? ofLines(text.split("\n").map(words).filter((line) => line.length)));
}

function refuse(message) {
  throw new ServiceError(0, { message });
}

// Reads JSON, or Python's print of it: {bp, rp} or {flux}, a list of these, or {spectra: [...]}. Returns null if it is not JSON.
function fromJson(text) {
  let found;
  try {
    // Identifiers of 19 digits stay text: as numbers they would be rounded.
    const quoted = text.replaceAll("'", '"').replace(/([{,]\s*)(source_id|bp|rp|flux|spectra)\s*:/g, '$1"$2":');
    found = JSON.parse(quoted.replace(/("source_id"\s*:\s*)(\d+)/g, '$1"$2"').replace(/\bnan\b/gi, '"nan"'));
  } catch (error) {
    if (/^\s*{[^\n]*\b(bp|rp|flux)\b/.test(text) && !/}\s*\n\s*{/.test(text)) refuse(`That is not JSON: ${error.message}. It should be {"bp": [...], "rp": [...]}.`);
    return null; // numbers in brackets, or JSON lines
  }
  const all = found?.spectra ?? found;
  if (Array.isArray(all) && all.every((one) => typeof one !== "object")) return null;
  if (Array.isArray(all) && all.every(Array.isArray)) return ofLines(all);
  const list = Array.isArray(all) ? all : [all];
  return list.map((one, at) => checked(one, list.length > 1 ? `Spectrum ${at + 1}: ` : ""));
}

function checked(one, where) {
  if (!one || Array.isArray(one)) refuse(`${where}it needs flux, or bp and rp.`);
  for (const [band, other] of [["bp", "rp"], ["rp", "bp"]]) if (one[band] && !one[other]) refuse(`${where}${other} is missing: bp and rp belong together.`);
  const parts = one.flux ? { flux: one.flux } : { bp: one.bp, rp: one.rp };
  for (const [name, values] of Object.entries(parts)) {
    if (!Array.isArray(values)) refuse(`${where}it needs flux, or bp and rp.`);
    const sizes = BANDS[name] ?? WHOLE;
    if (!sizes.includes(values.length)) refuse(`${where}${name} has ${values.length} numbers: it needs ${sizes[0]}, or all ${sizes[1]}.`);
    const wrong = values.findIndex((value) => !isNumber(value));
    if (wrong >= 0) refuse(`${where}${name}[${wrong}] is “${String(values[wrong]).slice(0, 40)}”, which is not a number.`);
  }
  return { id: one.source_id, ...(one.flux && one.flux.length === WHOLE[1] ? { bp: one.flux.slice(0, BANDS.bp[1]), rp: one.flux.slice(BANDS.bp[1]) } : parts) };
}

const isNumber = (value) => typeof value === "number" || (typeof value === "string" && (value.toLowerCase() === "nan" || (value.trim() !== "" && !Number.isNaN(Number(value)))));

const words = (line) => line.replace(/[[\](){}]/g, " ").split(/[\s,;]+/).filter(Boolean);

function ofLines(lines) {
  const sizes = lines.map((line) => line.length);
  lines.forEach((line, at) => {
    const wrong = line.find((word) => !isNumber(word));
    if (wrong !== undefined) refuse(`“${String(wrong).slice(0, 40)}” in line ${at + 1} is not a number.`);
  });
  const whole = (flux) => checked({ flux }, "");
  if (sizes.every((size) => WHOLE.includes(size))) return lines.map(whole);
  if (lines.length % 2 === 0 && sizes.every((size, at) => BANDS[at % 2 ? "rp" : "bp"].includes(size))) {
    return lines.filter((_, at) => at % 2 === 0).map((bp, at) => ({ bp, rp: lines[2 * at + 1] }));
  }
  const all = lines.flat(); // one spectrum, broken into lines of any length
  if (WHOLE.includes(all.length)) return [whole(all)];
  const told = lines.length > 1 && lines.length < 7 ? ` in lines of ${sizes.join(", ")}` : "";
  return refuse(`That is ${all.length} numbers${told}: ${NEEDED}.`);
}

function table(spectra) {
  const columns = (one) => Object.entries(one).flatMap(([name, values]) => (Array.isArray(values) ? values.map((_, at) => `${name}_${at}`) : []));
  const header = columns(spectra[0]).join(",");
  const other = spectra.findIndex((one) => columns(one).join(",") !== header);
  if (other > 0) refuse(`Spectrum ${other + 1} has another number of fluxes than the first: all must have the same.`);
  const named = spectra.some((one) => one.id !== undefined);
  const rows = spectra.map(({ id, flux, bp = [], rp = [] }) => [...(named ? [String(id ?? "").replace(/[",\n]/g, " ")] : []), ...(flux ?? [...bp, ...rp])].join(","));
  return new Blob([[named ? `source_id,${header}` : header, ...rows].join("\n"), "\n"], { type: "text/csv" });
}
