// Small drawings of the last ten minutes. What they say is also said in words.

import { h, s } from "./dom.js";
import { atClock, rate, span } from "./format.js";

const HEIGHT = 100;

/** Shapes are stretched to the width that there is; words are not. */
function plot(label, width, shapes, words) {
  return h("div", { class: "plot", role: "img", "aria-label": label },
    s("svg", { class: "words" }, words),
    s("svg", { class: "shapes", viewBox: `0 0 ${width} ${HEIGHT}`, preserveAspectRatio: "none" }, shapes));
}

const word = (y, text) => s("text", { x: "0", y: `${y}%`, dy: "0.35em", class: "scale" }, text);

/** The next round number: 1, 2 or 5 times a power of ten. */
function round(n) {
  if (n <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(n));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= n * 0.999);
}

/** Attempts in a second, done and failed on top of each other. */
export function throughput(overview) {
  const { slots, slot_seconds: seconds, totals } = overview;
  const most = round(Math.max(...slots.map((slot) => slot.done + slot.failed), 0) / seconds);
  const high = (n) => n / seconds / most * HEIGHT * 0.94;
  const bar = (slot, at) => {
    const [done, failed] = [high(slot.done), high(slot.failed)];
    const says = `${atClock(slot.at)}: ${rate(slot.done / seconds)} done, ${rate(slot.failed / seconds)} failed in a second`;
    return s("g", {},
      s("title", {}, says),
      s("rect", { class: "catch", x: at, y: 0, width: 1, height: HEIGHT }),
      done > 0 && s("rect", { class: "done", x: at + 0.12, y: HEIGHT - done, width: 0.76, height: done }),
      failed > 0 && s("rect", { class: "failed", x: at + 0.12, y: HEIGHT - done - failed, width: 0.76, height: failed }));
  };
  const label = `Last minute: ${rate(totals.done_per_second)} jobs done and ${rate(totals.failed_per_second)} attempts failed in a second.`;
  const line = s("line", { class: "rule", x1: 0, x2: slots.length, y1: HEIGHT * 0.06, y2: HEIGHT * 0.06 });
  return h("figure", {},
    h("figcaption", {}, "Attempts in a second",
      h("span", { class: "legend done" }, "done"), h("span", { class: "legend failed" }, "failed")),
    plot(label, slots.length, [line, slots.map(bar)], word(6, rate(most))),
    axis(slots));
}

/** How long most jobs waited and took, on a scale of powers of ten. */
export function latency(overview) {
  const { slots, totals } = overview;
  const of = (name) => slots.map((slot) => slot[name]?.p95 ?? null);
  const lines = [["wait", of("wait_seconds")], ["run", of("run_seconds")]];
  const values = lines.flatMap(([, line]) => line).filter((value) => value > 0).map((value) => Math.log10(value));
  const [low, top] = [Math.floor(Math.min(...values, -2)), Math.ceil(Math.max(...values, 0) + 0.01)];
  const y = (value) => HEIGHT - (Math.log10(Math.max(value, 1e-9)) - low) / (top - low) * HEIGHT;
  const path = (line) => {
    let drawn = "";
    line.forEach((value, at) => {
      if (value === null) return;
      const place = `${at + 0.5} ${Math.min(Math.max(y(value), 1), HEIGHT - 1).toFixed(2)}`;
      drawn += line[at - 1] === null || line[at - 1] === undefined ? `M${place}h0.01` : `L${place}`;
    });
    return drawn;
  };
  const powers = Array.from({ length: top - low }, (_, at) => low + at + 1);
  const shapes = [
    powers.map((power) => s("line", { class: "rule", x1: 0, x2: slots.length, y1: y(10 ** power), y2: y(10 ** power) })),
    lines.map(([name, line]) => s("path", { class: name, d: path(line) })),
  ];
  const every = Math.ceil(powers.length / 3);
  const words = powers.filter((_, at) => (powers.length - 1 - at) % every === 0)
    .map((power) => word(y(10 ** power), span(10 ** power)));
  const say = (name) => totals[name] ? span(totals[name].p95) : "unknown";
  const label = `Last five minutes: 95 of 100 jobs waited no longer than ${say("wait_seconds")} and took no longer than ${say("run_seconds")}.`;
  return h("figure", {},
    h("figcaption", {}, "95 of 100 took no longer than",
      h("span", { class: "legend wait" }, "wait"), h("span", { class: "legend run" }, "run")),
    plot(label, slots.length, shapes, words),
    axis(slots));
}

function axis(slots) {
  const ends = slots.length ? [atClock(slots[0].at), "now"] : ["", ""];
  return h("p", { class: "axis", "aria-hidden": "true" }, h("span", {}, ends[0]), h("span", {}, ends[1]));
}

/** What a queue has done, in the width of a word. */
export function spark(queue) {
  const two = (line) => line.filter((_, at) => at % 2).map((n, at) => n + line[at * 2]);
  const [done, failed] = [two(queue.done), two(queue.failed)];
  const most = Math.max(...done.map((n, at) => n + failed[at]), 1);
  const bar = (n, below, kind, at) => n > 0 &&
    s("rect", { class: kind, x: at + 0.1, width: 0.8, y: 20 - (below + n) / most * 20, height: n / most * 20 });
  return s("svg", { class: "spark", viewBox: `0 0 ${done.length} 20`, preserveAspectRatio: "none", "aria-hidden": "true" },
    done.map((n, at) => [bar(n, 0, "done", at), bar(failed[at], n, "failed", at)]).flat());
}
