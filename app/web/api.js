// Requests to the service: JSON, its errors, and server-sent events with an API key.

const KEY = "gaia-redshift-key";

export function setKey(key) {
  sessionStorage.setItem(KEY, key);
}

function headers(more = {}) {
  const key = sessionStorage.getItem(KEY);
  return key ? { ...more, Authorization: `Bearer ${key}` } : more;
}

export class ServiceError extends Error {
  constructor(status, body) {
    super(body.message);
    this.status = status;
    this.code = body.code;
    this.details = body.details ?? [];
  }
}

export async function ask(address, options = {}) {
  let reply;
  try {
    reply = await fetch(address, { ...options, headers: headers({ Accept: "application/json", ...options.headers }) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError(0, { code: "unreachable", message: "The service does not answer. Is it running, and is the network up?" });
  }
  if (reply.ok) return reply;
  const body = await reply.json().catch(() => ({}));
  throw new ServiceError(reply.status, body.error ?? { code: "unknown", message: `The service answered ${reply.status}.` });
}

export async function askJson(address, options) {
  return (await ask(address, options)).json();
}

export function withQuery(address, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${address}?${new URLSearchParams(given)}` : address;
}

export async function save(address, options) {
  // A request with a key goes through a blob; without one, a plain link streams to the disk.
  if (!sessionStorage.getItem(KEY) && !options) {
    saveAs(address, "");
    return new Headers();
  }
  const reply = await ask(address, { ...options, headers: { Accept: "*/*" } });
  const name = /filename="([^"]+)"/.exec(reply.headers.get("Content-Disposition") ?? "");
  const link = URL.createObjectURL(await reply.blob());
  saveAs(link, name ? name[1] : options?.name ?? "redshifts");
  setTimeout(() => URL.revokeObjectURL(link), 60000);
  return reply.headers;
}

export function saveAs(address, name) {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}

// Read with fetch, since EventSource cannot send a key. Ends when the job is over; reconnects if the stream breaks.
export async function follow(address, heard, signal) {
  let pause = 500;
  while (!signal.aborted) {
    try {
      const reply = await ask(address, { headers: { Accept: "text/event-stream" }, signal });
      const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        pause = 500;
        text += value;
        const events = text.split("\n\n");
        text = events.pop();
        for (const event of events.map(readEvent)) {
          if (!event.data) continue;
          if (event.name === "error") throw new ServiceError(404, event.data.error);
          heard(event.data);
          if (event.name === "end") return;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.status >= 400 && error.status < 500) throw error;
    }
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(10000, 2 * pause);
  }
}

function readEvent(text) {
  const fields = Object.fromEntries(text.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
  return { name: fields.event, data: fields.data ? JSON.parse(fields.data) : null };
}
