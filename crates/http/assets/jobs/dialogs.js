// Questions, and what is said after the answers.

const element = (id) => document.getElementById(id);

let silence;

/** Says what was done, or why not. */
export function say(text, wrong = false) {
  const toast = element("toast");
  clearTimeout(silence);
  // What is behind an open dialog is neither seen nor heard.
  (document.querySelector("dialog[open]") ?? document.body).append(toast);
  toast.setAttribute("role", wrong ? "alert" : "status");
  toast.className = wrong ? "toast wrong" : "toast";
  toast.textContent = text;
  silence = setTimeout(() => { toast.textContent = ""; }, wrong ? 12_000 : 5_000);
}

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("close", () => document.body.append(element("toast")));
}

/** The value of the button that closed a dialog; nothing after Escape. */
function answer(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}

/** Asks before what cannot be undone. */
export async function ask({ title, text, yes, no = "Leave it" }) {
  element("ask-title").textContent = title;
  element("ask-text").textContent = text;
  element("ask-yes").textContent = yes;
  element("ask-yes").className = "danger";
  element("ask-no").textContent = no;
  return await answer(element("ask")) === "yes";
}

/** Asks for a rate. `undefined`: leave it as it is; `null`: none. */
export async function askRate(queue) {
  element("rate-title").textContent = `Rate limit of ${queue.queue}`;
  element("rate-per-second").value = queue.rate_per_second ?? "";
  element("rate-burst").value = queue.burst ?? "";
  element("rate-none").hidden = queue.rate_per_second === null;
  element("rate-wrong").textContent = "";
  const chosen = await answer(element("rate"));
  if (chosen === "none") return null;
  return chosen === "set" ? typed() : undefined;
}

/** Asks for an access token. `undefined`: none is given. */
export async function askToken() {
  element("token").value = "";
  const chosen = await answer(element("sign-in"));
  const token = element("token").value.trim();
  element("token").value = "";
  return chosen === "yes" && token ? token : undefined;
}

function typed() {
  const burst = element("rate-burst").value;
  return { per_second: Number(element("rate-per-second").value), burst: burst === "" ? null : Number(burst) };
}

function wrong({ per_second: rate, burst }) {
  if (!(rate > 0 && rate <= 1e6)) return "A rate is a number above 0, at most 1,000,000 in a second. To stop the queue, pause it.";
  if (burst !== null && !(Number.isInteger(burst) && burst >= 1 && burst <= 1e6)) return "A burst is a whole number from 1 to 1,000,000.";
  return "";
}

element("rate-cancel").addEventListener("click", () => element("rate").close(""));
element("rate-none").addEventListener("click", () => element("rate").close("none"));
element("rate-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const complaint = wrong(typed());
  element("rate-wrong").textContent = complaint;
  if (complaint) element("rate-per-second").focus();
  else element("rate").close("set");
});
