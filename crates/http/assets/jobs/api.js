// What is asked of the server. Whatever goes wrong is an error whose message is a sentence.

const BASE = "/api/v1/jobs";
const PATIENCE = 15_000;

export class Failure extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Where the operator's token is kept: in this tab, until it is closed. */
const TOKEN = "cartwright-token";

export const credentials = {
  keep: (token) => token ? sessionStorage.setItem(TOKEN, token) : sessionStorage.removeItem(TOKEN),
};

// Numbers with more digits than the browser's have are kept as they are written.
const exact = (_, value, context) =>
  typeof value === "number" && context?.source?.length > 15 && JSON.rawJSON ? JSON.rawJSON(context.source) : value;

function sentence(status, text) {
  try {
    const { detail, errors, request_id: id } = JSON.parse(text);
    const places = errors?.length > 1 ? ` (${errors.map((error) => error.detail).join("; ")})` : "";
    if (detail) return status >= 500 && id ? `${detail} (request ${id})` : `${detail}${places}`;
  } catch {
    // Something between here and the server has answered.
  }
  return `The server answered with status ${status}.`;
}

async function call(method, path, body, reviver) {
  let response;
  let text;
  try {
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const token = sessionStorage.getItem(TOKEN);
    if (token) headers.authorization = `Bearer ${token}`;
    const options = { method, headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) };
    if (body !== undefined) options.body = JSON.stringify(body);
    response = await fetch(BASE + path, options);
    text = await response.text();
  } catch (error) {
    const slow = error.name === "TimeoutError";
    throw new Failure(slow ? "The server does not answer." : "The server cannot be reached.", 0);
  }
  if (!response.ok) throw new Failure(sentence(response.status, text), response.status);
  return JSON.parse(text, reviver);
}

function query(values) {
  const some = Object.entries(values).filter(([, value]) => value);
  return some.length ? `?${new URLSearchParams(some)}` : "";
}

const queue = (name) => `/queues/${encodeURIComponent(name)}`;

export const api = {
  overview: () => call("GET", "/overview"),
  jobs: (filter) => call("GET", query({ ...filter, limit: "25" })),
  job: (id) => call("GET", `/${encodeURIComponent(id)}`, undefined, exact),
  retry: (id) => call("POST", `/${encodeURIComponent(id)}/retry`),
  cancel: (id) => call("POST", `/${encodeURIComponent(id)}/cancel`),
  retryDead: (name) => call("POST", `/retry${query({ state: "dead", queue: name })}`),
  purgeDead: (name) => call("DELETE", query({ state: "dead", queue: name })),
  pause: (name) => call("POST", `${queue(name)}/pause`),
  resume: (name) => call("POST", `${queue(name)}/resume`),
  limit: (name, rate) => call("PUT", `${queue(name)}/rate`, rate),
  unlimit: (name) => call("DELETE", `${queue(name)}/rate`),
  address: (id) => `${BASE}/${encodeURIComponent(id)}`,
};
