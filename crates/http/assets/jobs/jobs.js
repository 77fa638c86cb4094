// Lists of jobs, and one job.

import { api } from "./api.js";
import { h, show, shown, table } from "./dom.js";
import { ago, count, exactly, span, state, time } from "./format.js";
import { jobLink, listLink } from "./overview.js";

/** A page holds so much of what a job is about. */
const PAYLOAD = 100_000;

const STATES = [["", "All"], ["queued", "Queued"], ["running", "Running"], ["dead", "Dead"], ["done", "Done"], ["cancelled", "Cancelled"]];

const EMPTY = {
  "": "There are no jobs. They appear here when something is put into a queue; those that are done are kept for a day (jobs.keep_done_hours).",
  queued: "Nothing waits.",
  running: "Nothing runs. If jobs are due all the same, see whether a worker is alive, and whether the queue is paused.",
  dead: "No dead letters: no job has failed as often as it may.",
  done: "Nothing was done lately. Jobs that are done are kept for a day (jobs.keep_done_hours).",
  cancelled: "Nothing was cancelled lately.",
};

/** The state, queue and kind by which jobs are listed. */
export function showFilter(filter, overview) {
  const { state: wanted = "", queue = "", kind = "" } = filter;
  const totals = overview && { queued: overview.totals.due + overview.totals.scheduled, running: overview.totals.running, dead: overview.totals.dead };
  show("states", STATES.map(([name, says]) => listLink({ ...filter, state: name, cursor: "" },
    [says, totals?.[name] > 0 && h("span", { class: "quiet" }, ` ${count(totals[name])}`)],
    { "aria-current": name === wanted ? "page" : null })));
  const names = (overview?.queues ?? []).map((known) => known.queue);
  if (queue && !names.includes(queue)) names.push(queue);
  show("filter-queue", h("option", { value: "" }, "All queues"), names.map((name) => h("option", { value: name }, name)));
  if (document.activeElement?.form?.id !== "filter") {
    document.getElementById("filter-queue").value = queue;
    document.getElementById("filter-kind").value = kind;
  }
  document.getElementById("jobs-title").textContent =
    `${wanted ? STATES.find(([name]) => name === wanted)?.[1] ?? wanted : "All"} jobs${queue ? ` of ${queue}` : ""}`;
}

export function showList(filter, list, overview) {
  const { state: wanted = "", queue = "", kind = "", cursor } = filter;
  const at = overview.at;
  const dead = wanted === "dead" && !kind && list.items.length > 0;
  const bulk = (act, says) => h("button", { type: "button", "data-act": act, "data-queue": queue, class: act === "purge" ? "danger" : null }, says);
  show("bulk", dead && [bulk("retry-all", "Retry all…"), bulk("purge", "Delete all…")]);
  if (list.items.length === 0) {
    const more = queue || kind ? " Others may be in other queues or of other kinds." : "";
    show("jobs-body", h("p", { class: "empty" }, cursor ? "There are no more." : `${EMPTY[wanted] ?? ""}${more}`));
  } else {
    const columns = [
      { name: "Job", of: (job) => [jobLink(job), " ", shown(job.kind)] },
      { name: "Queue", of: (job) => shown(job.queue) },
      { name: "State", of: (job) => [state(job, at), job.progress && job.state === "running" && h("span", { class: "quiet" }, ` ${job.progress.percent} %`)] },
      { name: "Attempts", kind: "number", of: (job) => `${job.attempt} of ${job.max_attempts}` },
      { name: "Made", of: (job) => time(job.created_at, at) },
      { name: "Due", of: (job) => time(job.run_at, at) },
      { name: "Took", kind: "number", of: (job) => took(job, at) },
      { name: "Act", hide: true, kind: "acts", of: (job) => acts(job) },
    ];
    show("jobs-body", table("Jobs, latest first", columns, list.items, (job) => `job ${job.id}`));
  }
  show("pages",
    cursor && listLink({ ...filter, cursor: "" }, "Latest"),
    list.next_cursor && listLink({ ...filter, cursor: list.next_cursor }, "Older"));
}

function took(job, at) {
  if (!job.started_at || job.state === "queued") return "–";
  const end = job.finished_at ?? (job.state === "running" ? at : null);
  return end ? span(Math.max(0, (new Date(end) - new Date(job.started_at)) / 1000)) : "–";
}

function acts(job) {
  const button = (act, says, kind) =>
    h("button", { type: "button", "data-act": act, "data-id": job.id, class: kind, "aria-label": `${says} job ${job.id}` }, says);
  if (job.state === "dead") return button("retry", "Retry");
  if (job.state === "queued" || (job.state === "running" && !job.cancel_requested)) return button("cancel", "Cancel", "danger");
  return null;
}

/** What a job is about, for people. */
function payload(job) {
  const text = JSON.stringify(job.payload, null, 2);
  return h("pre", { tabindex: "0", role: "region", "aria-label": "Payload" }, shown(text, PAYLOAD));
}

export function showJob(job, at) {
  document.getElementById("job-title").textContent = `Job ${job.id}`;
  const fact = (name, value) => value !== null && value !== undefined && [h("dt", {}, name), h("dd", {}, value)];
  const moment = (text) => text && [h("time", { datetime: text }, exactly(text)), h("span", { class: "quiet" }, ` ${ago(text, at)}`)];
  const running = job.state === "running";
  show("job-body",
    h("p", { class: "lead" }, state(job, at), " ", h("strong", {}, shown(job.kind)), " in ", shown(job.queue), acts(job)),
    job.progress && h("div", { class: "progress" },
      h("progress", { max: "100", value: job.progress.percent, "aria-label": "Progress" }),
      h("span", {}, `${job.progress.percent} %`), h("div", { class: "note" }, shown(job.progress.note))),
    job.state === "dead" && job.attempts.length > 0 && h("div", { class: "why" }, shown(job.attempts.at(-1).error)),
    h("dl", { class: "facts" },
      fact("Attempt", `${job.attempt} of ${job.max_attempts}`),
      fact("Made", moment(job.created_at)),
      fact("Due", moment(job.run_at)),
      fact("Begun", moment(job.started_at)),
      fact("Ended", moment(job.finished_at)),
      fact("Took", took(job, at)),
      fact("Worker", job.worker && shown(job.worker)),
      running && fact("Its until", job.lease_until && [h("time", { datetime: job.lease_until }, exactly(job.lease_until)), h("span", { class: "quiet" }, " unless it is heard of again")]),
      fact("Priority", String(job.priority)),
      fact("Unique key", job.unique_key && shown(job.unique_key))),
    h("h3", {}, "Payload"),
    payload(job),
    h("h3", {}, "History"),
    history(job, at),
    h("p", {}, h("a", { href: api.address(job.id), target: "_blank", rel: "noopener" }, "As JSON")));
}

function history(job) {
  const line = (text, kind, what, more) => h("li", { class: kind },
    h("time", { datetime: text }, exactly(text)), h("div", {}, what), more && h("div", { class: "error" }, more));
  const failed = job.attempts.map((attempt) => line(attempt.ended_at, "failed",
    [`Attempt ${attempt.attempt} failed after ${span(Math.max(0, (new Date(attempt.ended_at) - new Date(attempt.started_at)) / 1000))}, on `, shown(attempt.worker)],
    shown(attempt.error)));
  const ends = { done: "Done", cancelled: "Cancelled" };
  return h("ol", { class: "history" },
    line(job.created_at, "made", "Made"),
    failed,
    job.state === "running" && line(job.started_at, "running", `Attempt ${job.attempt} runs`),
    job.state === "dead" && h("li", { class: "failed" }, h("div", {}, "Dead: it is not tried again by itself")),
    job.finished_at && line(job.finished_at, job.state, ends[job.state] ?? job.state));
}

export function showNoJob(id, error) {
  document.getElementById("job-title").textContent = `Job ${id}`;
  show("job-body", h("p", { class: "empty" }, error.message));
}
