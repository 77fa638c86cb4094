// What is shown, how it stays true, and what buttons do.

import { api, credentials, Failure } from "./api.js";
import { ask, askRate, askToken, say } from "./dialogs.js";
import { count, plural } from "./format.js";
import { showFilter, showJob, showList, showNoJob } from "./jobs.js";
import { showOverview } from "./overview.js";

/** Milliseconds between two looks, and after a failure at first and at most. */
const EVERY = 2_000;
const AGAIN = 1_000;
const AGAIN_AT_MOST = 10_000;

const element = (id) => document.getElementById(id);

let overview = null;
let live = true;
let failures = 0;
let timer = null;
/** Counts looks: an answer that was overtaken by a later question is not shown. */
let look = 0;
let dead = null;
/** Whether a token was asked for, and refused. */
let asked = false;

/** The address says what is shown: state, queue, kind, cursor, and the job that is open. */
const address = () => Object.fromEntries(new URLSearchParams(location.search));

function filter() {
  const { state, queue, kind, cursor } = address();
  return { state, queue, kind, cursor };
}

function go(values, replace = false) {
  const some = Object.entries(values).filter(([, value]) => value);
  const url = some.length ? `/jobs?${new URLSearchParams(some)}` : "/jobs";
  history[replace ? "replaceState" : "pushState"](null, "", url);
}

async function refresh() {
  clearTimeout(timer);
  const mine = ++look;
  try {
    const wanted = filter();
    const { job: id } = address();
    const detail = id ? api.job(id).then((job) => ({ job }), (error) => ({ error })) : null;
    const [figures, list, opened] = await Promise.all([api.overview(), api.jobs(wanted), detail]);
    if (mine !== look) return;
    if (opened?.error && !opened.error.status) throw opened.error;
    const first = overview === null;
    overview = figures;
    element("main").setAttribute("aria-busy", "false");
    showOverview(figures);
    showFilter(wanted, figures);
    showList(wanted, list, figures);
    if (opened?.job) showJob(opened.job, figures.at);
    else if (opened) showNoJob(id, opened.error);
    announce(figures);
    connected();
    // What the address points at is there only now.
    if (first && location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  } catch (error) {
    if (mine === look && error.status === 401 && !asked) return signIn(error);
    if (mine === look) lost(error);
  }
  if (mine === look) plan();
}

/** Asks who it is, once; whoever does not say so may press the button for it. */
async function signIn(error) {
  lost(error);
  asked = true;
  const token = await askToken();
  if (token === undefined) return;
  credentials.keep(token);
  asked = false;
  await refresh();
}

function plan() {
  clearTimeout(timer);
  if (document.hidden || (!live && failures === 0)) return;
  const again = Math.min(AGAIN * 2 ** (failures - 1), AGAIN_AT_MOST);
  timer = setTimeout(refresh, failures ? again : EVERY);
}

function connected() {
  const back = failures > 0;
  failures = 0;
  element("lost").hidden = true;
  element("sign-in-again").hidden = true;
  element("lost").textContent = "";
  document.body.classList.remove("stale");
  element("link").className = live ? "link on" : "link";
  element("link-text").textContent = live ? "Connected" : "Stopped";
  if (back) say("Connected again.");
}

function lost(error) {
  failures += 1;
  const what = overview ? " What you see is from before." : "";
  const text = `${error.message}${what} It is tried again by itself.`;
  if (element("lost").textContent !== text) element("lost").textContent = text;
  element("lost").hidden = false;
  if (failures === 1 && document.querySelector("dialog[open]")) say(text, true);
  document.body.classList.add("stale");
  element("link").className = "link off";
  element("link-text").textContent = error.status ? "Refused" : "Not connected";
  // With 403 he is somebody, but no operator.
  element("sign-in-again").hidden = ![401, 403].includes(error.status);
}

/** Says aloud what an operator must not miss. */
function announce({ totals }) {
  if (dead !== null && totals.dead > dead) {
    say(plural(totals.dead - dead, "new dead letter.", "new dead letters."));
  }
  dead = totals.dead;
}

function openJob(id) {
  go({ ...filter(), job: id });
  element("job-title").textContent = `Job ${id}`;
  element("job-body").replaceChildren();
  if (!element("job").open) element("job").showModal();
  refresh();
}

function follow() {
  const { job } = address();
  if (job && !element("job").open) element("job").showModal();
  if (!job && element("job").open) element("job").close();
  refresh();
}

/** Does something, says so, and shows what has become of it. */
async function act(doing, done) {
  try {
    say(done(await doing()));
  } catch (error) {
    say(error.message, true);
  }
  await refresh();
}

const of = (queue) => queue ? ` of ${queue}` : " of all queues";
const deadOf = (queue) => queue ? overview.queues.find((known) => known.queue === queue)?.dead ?? 0 : overview.totals.dead;

const ACTS = {
  "sign-in": () => signIn(new Failure("The server wants to know who you are.", 401)),
  job: ({ id }) => openJob(id),
  close: () => element("job").close(),
  retry: ({ id }) => act(() => api.retry(id), () => `Job ${id} waits for its next attempt.`),
  async cancel({ id }) {
    const text = "A job that waits never begins. One that runs is told to stop; what it has done already stays done.";
    if (!await ask({ title: `Cancel job ${id}?`, text, yes: "Cancel the job" })) return;
    const says = { cancelled: "is cancelled", requested: "is told to stop" };
    await act(() => api.cancel(id), ({ outcome }) => `Job ${id} ${says[outcome] ?? outcome}.`);
  },
  pause: ({ queue }) => act(() => api.pause(queue), () => `${queue} is paused: nothing of it is begun, what runs goes on.`),
  resume: ({ queue }) => act(() => api.resume(queue), () => `${queue} goes on.`),
  async rate({ queue }) {
    const known = overview.queues.find((one) => one.queue === queue);
    const rate = known && await askRate(known);
    if (rate === undefined) return;
    await act(() => rate ? api.limit(queue, rate) : api.unlimit(queue),
      (set) => set.rate_per_second === null ? `${queue} is not limited.` : `${queue} is limited to ${set.rate_per_second} jobs in a second, ${count(set.burst)} at once.`);
  },
  async "retry-all"({ queue }) {
    const title = `Retry ${plural(deadOf(queue), "dead letter", "dead letters")}${of(queue)}?`;
    if (!await ask({ title, text: "Each gets all of its attempts again. If the cause is still there, they fail again.", yes: "Retry them" })) return;
    await act(() => api.retryDead(queue), ({ retried, duplicates }) =>
      `${plural(retried, "job waits", "jobs wait")} again.${duplicates ? ` ${plural(duplicates, "stays dead: a job with its key is not finished.", "stay dead: jobs with their keys are not finished.")}` : ""}`);
  },
  async purge({ queue }) {
    const title = `Delete ${plural(deadOf(queue), "dead letter", "dead letters")}${of(queue)}?`;
    if (!await ask({ title, text: "They are gone for good, with what they were about and why they failed.", yes: "Delete them" })) return;
    await act(() => api.purgeDead(queue), ({ removed }) => `${plural(removed, "dead letter is", "dead letters are")} deleted.`);
  },
  list(_, link) {
    history.pushState(null, "", link.href);
    refresh().then(() => {
      if (!link.closest("#jobs")) {
        element("jobs-title").focus({ preventScroll: true });
        element("jobs").scrollIntoView();
      }
    });
  },
};

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-act]");
  if (!target || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  ACTS[target.dataset.act](target.dataset, target);
});

element("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  go({ state: filter().state, queue: element("filter-queue").value, kind: element("filter-kind").value.trim() });
  refresh();
});
element("filter-queue").addEventListener("change", () => element("filter").requestSubmit());

element("job").addEventListener("close", () => {
  // Another one may be open already.
  if (address().job && !element("job").open) go(filter());
});
element("job").addEventListener("click", (event) => {
  // Beside it.
  if (event.target === element("job")) element("job").close();
});

element("live").addEventListener("click", () => {
  live = !live;
  element("live").setAttribute("aria-pressed", String(live));
  if (live) refresh();
  else {
    connected();
    plan();
  }
});

addEventListener("popstate", follow);
addEventListener("online", refresh);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && live) refresh();
});

follow();
