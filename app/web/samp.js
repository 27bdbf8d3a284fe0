// A table sent to TOPCAT and others by SAMP's web profile: XML-RPC to the hub on this machine.

const HUB = "http://127.0.0.1:21012/";

const escape = (text) => text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);

function value(given) {
  if (typeof given === "string") return `<value><string>${escape(given)}</string></value>`;
  const members = Object.entries(given).map(([name, one]) => `<member><name>${escape(name)}</name>${value(one)}</member>`);
  return `<value><struct>${members.join("")}</struct></value>`;
}

async function call(method, ...given) {
  const parameters = given.map((one) => `<param>${value(one)}</param>`).join("");
  const body = `<?xml version="1.0"?><methodCall><methodName>samp.webhub.${method}</methodName><params>${parameters}</params></methodCall>`;
  const reply = await fetch(HUB, { method: "POST", headers: { "Content-Type": "text/xml" }, body });
  const answer = new DOMParser().parseFromString(await reply.text(), "text/xml");
  const fault = answer.querySelector("fault string");
  if (fault) throw new Error(fault.textContent);
  return answer;
}

export async function sendTable(address, name) {
  let registered;
  try {
    registered = await call("register", { "samp.name": "gaia-redshift" });
  } catch (error) {
    if (error instanceof TypeError) throw new Error("No SAMP hub answers on this machine. Start TOPCAT, or load the table by its address.");
    throw new Error(`The SAMP hub refused this page: ${error.message}`);
  }
  const members = [...registered.querySelectorAll("member")];
  const key = members.find((one) => one.querySelector("name").textContent === "samp.private-key").querySelector("value").textContent.trim();
  try {
    await call("notifyAll", key, { "samp.mtype": "table.load.votable", "samp.params": { url: address, name, "table-id": address } });
  } finally {
    await call("unregister", key);
  }
}
