// Figures and times, in words.

import { h } from "./dom.js";

/** The store counts no further. */
const MOST = 100_000;

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** A number of jobs. */
export const count = (n) => n >= MOST ? `${whole.format(n)}+` : whole.format(n);

/** So many in a second. */
export const rate = (n) => n === 0 ? "0" : n < 0.05 ? "<0.05" : n < 100 ? n.toFixed(1) : whole.format(Math.round(n));

/** A rate that somebody has set. */
export const exactRate = (n) => new Intl.NumberFormat("en", { maximumSignificantDigits: 6 }).format(n);

/** A span of time, from seconds. */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.001) return "<1 ms";
  if (seconds < 0.9995) return `${short.format(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${short.format(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${whole.format(Math.round(hours / 24))} days`;
}

const pad = (n, digits = 2) => String(n).padStart(digits, "0");

const clock = (date) => `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;

/** A time, exactly. */
export function exactly(text) {
  const date = new Date(text);
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${clock(date)}.${pad(date.getMilliseconds(), 3)}`;
}

/** A time of the last few minutes. */
export const atClock = (text) => clock(new Date(text));

/** How long before or after another time. Both are the server's: the clock of the browser may be wrong. */
export function ago(text, now) {
  const seconds = (new Date(now) - new Date(text)) / 1000;
  if (Math.abs(seconds) < 1) return "now";
  return seconds > 0 ? `${span(Math.floor(seconds))} ago` : `in ${span(Math.floor(-seconds))}`;
}

/** A time as an element. */
export const time = (text, now) =>
  text ? h("time", { datetime: text, title: exactly(text) }, ago(text, now)) : "–";

const WORDS = { queued: "Queued", running: "Running", done: "Done", dead: "Dead", cancelled: "Cancelled" };

/** The state of a job. */
export function state(job, now) {
  let word = WORDS[job.state] ?? job.state;
  let kind = job.state;
  if (job.state === "queued" && new Date(job.run_at) > new Date(now)) [word, kind] = ["Scheduled", "scheduled"];
  if (job.state === "running" && job.cancel_requested) word = "Stopping";
  return h("span", { class: `state ${kind}` }, word);
}

export const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;
