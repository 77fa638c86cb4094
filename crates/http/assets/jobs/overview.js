// The figures: totals, queues, workers, and what fails.

import { latency, spark, throughput } from "./charts.js";
import { h, show, shown, table } from "./dom.js";
import { ago, count, exactRate, plural, rate, span, state, time } from "./format.js";

/** A due job that no worker will take is worth a word after so many seconds. */
const PATIENCE = 60;

export function jobLink(job, ...content) {
  return h("a", { href: `/jobs?job=${encodeURIComponent(job.id)}`, "data-act": "job", "data-id": job.id },
    content.length ? content : `#${job.id}`);
}

export function listLink(filter, content, attributes = {}) {
  const some = Object.entries(filter).filter(([, value]) => value);
  return h("a", { href: `/jobs?${new URLSearchParams(some)}#jobs`, "data-act": "list", ...attributes }, content);
}

export function showOverview(overview) {
  showTotals(overview);
  show("charts", throughput(overview), latency(overview));
  showQueues(overview);
  showWorkers(overview);
  showFailing(overview);
}

function showTotals({ totals }) {
  const tile = (name, value, { href, kind, note } = {}) =>
    h("div", { class: kind }, h("dt", {}, name),
      h("dd", {}, href ? listLink(href, value) : value, note && h("span", { class: "quiet" }, note)));
  const per = (value) => [rate(value), h("span", { class: "unit" }, "/s")];
  const spans = (latency) => [span(latency?.p95), latency && `p50 ${span(latency.p50)}`];
  const [wait, waitNote] = spans(totals.wait_seconds);
  const [run, runNote] = spans(totals.run_seconds);
  show("totals",
    tile("Due", count(totals.due), { href: { state: "queued" } }),
    tile("Scheduled", count(totals.scheduled), { href: { state: "queued" } }),
    tile("Running", count(totals.running), { href: { state: "running" } }),
    tile("Dead", count(totals.dead), { href: { state: "dead" }, kind: totals.dead ? "bad" : null }),
    tile("Done", per(totals.done_per_second)),
    tile("Failed", per(totals.failed_per_second), { kind: totals.failed_per_second ? "bad" : null }),
    tile("Wait, p95", wait, { note: waitNote }),
    tile("Run, p95", run, { note: runNote }),
    tile("Workers", count(totals.workers), { kind: totals.workers ? null : "bad" }));
}

function condition(queue) {
  if (queue.paused) return h("span", { class: "state paused" }, "Paused");
  if (queue.workers === 0 && queue.due > 0) {
    const long = queue.oldest_due_seconds > PATIENCE;
    return h("span", { class: `state ${long ? "dead" : "scheduled"}` }, "No worker");
  }
  if (queue.workers === 0) return h("span", { class: "state cancelled" }, "Nobody");
  return h("span", { class: "state done" }, plural(queue.workers, "worker", "workers"));
}

function showQueues({ queues }) {
  if (queues.length === 0) {
    show("queues-body", h("p", { class: "empty" },
      "No queue has jobs, settings or workers. A queue appears here with its first job, or when a worker says that it works on it: start ",
      h("code", {}, "cartwright worker"), "."));
    return;
  }
  const limit = (queue) => queue.rate_per_second === null ? "None" : `${exactRate(queue.rate_per_second)}/s`;
  const pair = (latency) => latency ? `${span(latency.p50)} · ${span(latency.p95)}` : "–";
  const columns = [
    { name: "Queue", of: (queue) => listLink({ queue: queue.queue }, shown(queue.queue)) },
    { name: "State", of: condition },
    { name: "Due", kind: "number", of: (queue) => count(queue.due) },
    { name: "Scheduled", kind: "number", of: (queue) => count(queue.queued - queue.due) },
    { name: "Running", kind: "number", of: (queue) =>
      queue.running ? listLink({ state: "running", queue: queue.queue }, count(queue.running)) : "0" },
    { name: "Dead", kind: "number", of: (queue) =>
      queue.dead ? listLink({ state: "dead", queue: queue.queue }, count(queue.dead), { class: "bad" }) : "0" },
    { name: "Oldest", kind: "number", of: (queue) => span(queue.oldest_due_seconds) },
    { name: "Done", kind: "number", of: (queue) => `${rate(queue.done_per_second)}/s` },
    { name: "Failed", kind: "number", of: (queue) =>
      h("span", { class: queue.failed_per_second ? "bad" : null }, `${rate(queue.failed_per_second)}/s`) },
    { name: "Last 10 min", kind: "sparkline", of: spark },
    { name: "Wait p50 · p95", kind: "number pair", of: (queue) => pair(queue.wait_seconds) },
    { name: "Run p50 · p95", kind: "number pair", of: (queue) => pair(queue.run_seconds) },
    { name: "Limit", of: (queue) => h("button", {
      type: "button", class: "plain", "data-act": "rate", "data-queue": queue.queue,
      "aria-label": `Rate limit of ${queue.queue}: ${limit(queue)}. Change` }, limit(queue)) },
    { name: "Pause or resume", hide: true, kind: "acts", of: (queue) => h("button", {
      type: "button", "data-act": queue.paused ? "resume" : "pause", "data-queue": queue.queue,
      "aria-label": `${queue.paused ? "Resume" : "Pause"} ${queue.queue}` }, queue.paused ? "Resume" : "Pause") },
  ];
  show("queues-body", table("Queues", columns, queues, (queue) => `queue ${queue.queue}`));
}

function showWorkers({ workers, at, queues }) {
  if (workers.length === 0) {
    const waiting = queues.some((queue) => queue.due > 0);
    show("workers-body", h("p", { class: waiting ? "empty bad" : "empty" },
      waiting ? "No worker has been heard of, so the jobs that are due wait. " : "No worker has been heard of: jobs will wait. ",
      "Start one with ", h("code", {}, "cartwright worker"), ", or let the server work on all queues with ",
      h("code", {}, "CARTWRIGHT__JOBS__IN_SERVE=all"), "."));
    return;
  }
  const jobs = (worker) => {
    if (worker.jobs.length === 0) return h("span", { class: "quiet" }, worker.running ? plural(worker.running, "job", "jobs") : "Idle");
    const first = worker.jobs.slice(0, 3).map((job) =>
      h("li", {}, jobLink(job), " ", shown(job.kind), job.progress && ` ${job.progress.percent}\u00a0%`));
    const more = worker.running - first.length;
    return h("ul", { class: "lines" }, first, more > 0 && h("li", { class: "quiet" }, `and ${count(more)} more`));
  };
  const columns = [
    { name: "Worker", kind: "tight", of: (worker) => [shown(worker.worker), h("div", { class: "quiet" }, "on ", shown(worker.queues.join(", "), 120))] },
    { name: "Last heard", of: (worker) => h("span", { class: `state ${worker.alive ? "done" : "dead"}` },
      worker.alive ? "" : "Silent, ", ago(worker.seen_at, at)) },
    { name: "Up", kind: "number", of: (worker) => span((new Date(worker.seen_at) - new Date(worker.started_at)) / 1000) },
    { name: "Busy", kind: "number", of: (worker) => `${count(worker.running)} of ${count(worker.concurrency)}` },
    { name: "Runs", of: jobs },
  ];
  show("workers-body", table("Workers", columns, workers, (worker) => `worker ${worker.worker}`));
}

function showFailing({ failing, at }) {
  if (failing.length === 0) {
    show("failing-body", h("p", { class: "empty" },
      "Nothing fails. Jobs whose last attempt failed are listed here until they are done: those that are to be tried again, and dead letters."));
    return;
  }
  const columns = [
    { name: "Job", kind: "tight", of: (job) => [jobLink(job), " ", shown(job.kind), h("div", { class: "quiet" }, "in ", shown(job.queue))] },
    { name: "State", kind: "tight", of: (job) => [state(job, at), h("div", { class: "quiet" }, `attempt ${job.attempt} of ${job.max_attempts}`)] },
    { name: "Failed", of: (job) => time(job.failed_at, at) },
    { name: "Error", kind: "wide", of: (job) => h("div", { class: "error" }, shown(job.error, 240)) },
    { name: "Retry", hide: true, kind: "acts", of: (job) => job.state === "dead" && h("button", {
      type: "button", "data-act": "retry", "data-id": job.id, "aria-label": `Retry job ${job.id}` }, "Retry") },
  ];
  show("failing-body", table("Failing jobs", columns, failing, (job) => `failing ${job.id}`));
}
