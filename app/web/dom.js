// Finding and making elements. Strings are added as text, never parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const html = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
export const svg = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

export const round = (value, digits = 3) => (value === null || value === undefined ? "–" : value.toFixed(digits));
export const count = (number) => number.toLocaleString("en");

export const on = (form, work) => $(form).addEventListener("submit", (event) => { event.preventDefault(); work(); });

// Errors are shown in one place, until the user's next action.
export async function guarded(work, { asked = true } = {}) {
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
