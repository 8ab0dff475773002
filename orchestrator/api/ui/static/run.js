// One run: what became of it, where its time went, what it printed, what it used.

import { get } from "./api.js";
import { Facts, Table, card, h, setText } from "./dom.js";
import { age, bytes, endKind, moment, number, seconds, stateText, waitText } from "./format.js";

const ASKED_AGAIN = 2000;
const STEPS = new Map([
  ["accept", "Written down"], ["queue", "Permits"], ["resolve", "Version"], ["instance", "Instance"], ["modules", "Modules"],
  ["commit", "Noted"], ["hand_over", "Hand-over"], ["run", "Run"], ["interrupted", "Interrupted"], ["record", "Recorded"], ["take_away", "Taken away"],
]);
const PATHS = new Map([["warm", "a ready one"], ["cold", "started for it"], ["reuse", "one that had served before"], ["adopted", "an earlier manager's"]]);

export class OneRun {
  constructor(state, id) {
    this.state = state;
    this.id = id;
    this.title = `Run ${id}`;
    this.run = null;
    this.asked = 0;
    this.busy = false;
    this.told = h("p", { role: "status" }, "Loading");
    this.facts = new Facts();
    this.node = new Facts();
    this.used = new Facts();
    this.timeline = h("ol", { class: "timeline" });
    this.result = h("pre", { tabindex: "0", "aria-label": "Result" });
    this.resultKind = h("p");
    this.outputs = new Map(["stdout", "stderr"].map((name) => [name, this.output(name)]));
    this.log = new Table("Log", [
      { title: "Level", text: (record) => record.level, kind: (record) => levelKind(record.level), few: true },
      { title: "Target", text: (record) => record.target, wide: true },
      { title: "Message", text: (record) => record.message },
      { title: "More", text: (record) => record.more, wide: true },
    ], (record) => record.key, "No such record.");
    this.level = h("select", { change: () => this.showLog() }, h("option", { value: "" }, "all"));
    this.body = h("div", { hidden: true },
      h("div", { class: "grid" }, card("Run", this.facts.element), card("Time", this.timeline)),
      card("Result", this.resultKind, this.result),
      h("div", { class: "grid" }, card("Node", this.node.element), card("Modules and resources", this.used.element)),
      ...[...this.outputs.values()].map((one) => one.element),
      card(null, h("div", { class: "row" }, h("label", {}, "Level ", this.level)), this.log.element));
    this.element = h("div", {}, h("p", {}, h("a", { href: "#/runs" }, "All runs")), h("h1", { tabindex: "-1" }, `Run ${id}`), this.told, this.body);
  }

  output(name) {
    const text = h("pre", { tabindex: "0", "aria-label": name });
    const size = h("p", { class: "dim" });
    return { text, size, element: card(name, size, text) };
  }

  update() {
    const over = this.run !== null && this.run.finished_at !== null && (this.run.state === "finished" || this.run.state === "failed_to_start");
    if (!over && !this.busy && Date.now() - this.asked > ASKED_AGAIN) this.ask();
  }

  tick() {
    this.update();
    if (this.run !== null && this.run.finished_at === null) this.showFacts();
  }

  async ask() {
    this.asked = Date.now();
    this.busy = true;
    try {
      this.run = await get(`executions/${this.id}?output=true&result=true`);
      setText(this.told, "");
      this.body.hidden = false;
      this.show();
    } catch (error) {
      setText(this.told, error.message);
    } finally {
      this.busy = false;
    }
  }

  show() {
    this.showFacts();
    this.showTime();
    this.showResult();
    this.showNode();
    this.showUsed();
    for (const [name, one] of this.outputs) {
      const sizes = this.run.output?.[name];
      setText(one.text, this.run[name] || "");
      one.text.hidden = !this.run[name];
      const cut = sizes && sizes.kept_bytes < sizes.total_bytes ? `the last ${bytes(sizes.kept_bytes)} of ` : "";
      setText(one.size, sizes?.total_bytes ? `${cut}${bytes(sizes.total_bytes)}` : "nothing was written");
    }
    this.readLog();
  }

  showFacts() {
    const run = this.run;
    const live = this.state.snapshot?.live.find((one) => String(one.id) === this.id);
    const entries = [["State", stateText(run.state), endKind(run)], ["Cause", run.cause ?? "–", endKind(run)]];
    if (run.reason) entries.push(["Reason", run.reason, "warn"]);
    if (run.error) entries.push(["Error", run.error, "bad"]);
    if (live?.waits_for) entries.push(["Waits for", waitText(live.waits_for)]);
    const until = run.finished_at === null ? this.state.now() : Date.parse(run.finished_at);
    entries.push(
      ["Version", run.version || "–"], ["Namespace", run.namespace], ["Accepted", moment(run.accepted_at)],
      [run.finished_at === null ? "Age" : "Took", seconds((until - Date.parse(run.accepted_at)) / 1000)],
      ["Deadline", run.finished_at === null ? `${moment(run.deadline)}, in ${age((Date.parse(run.deadline) - this.state.now()) / 1000)}` : moment(run.deadline)],
      ["Permits", `${number(run.permits)}, holds ${number(run.permits_held)}`],
      ["Fetched", run.fetched_at ? moment(run.fetched_at) : "no"]);
    if (run.manager) entries.push(["Manager", run.manager]);
    this.facts.show(entries);
  }

  showTime() {
    const steps = Object.entries(this.run.steps ?? {});
    const all = steps.reduce((sum, [, took]) => sum + took, 0);
    let before = 0;
    this.timeline.replaceChildren(...steps.map(([name, took]) => {
      const bar = h("span", { class: "bar" });
      bar.style.marginLeft = `${(before / all) * 100}%`;
      bar.style.width = `${(took / all) * 100}%`;
      before += took;
      return h("li", {}, h("span", {}, STEPS.get(name) ?? name), h("span", { class: "track", "aria-hidden": "true" }, bar), h("span", { class: "took" }, seconds(took)));
    }));
    if (steps.length === 0) this.timeline.replaceChildren(h("li", { class: "dim" }, "no step is over yet, or it was not kept"));
  }

  showResult() {
    const result = this.run.result;
    setText(this.resultKind, result ? `${result.kind}, ${bytes(this.run.result_bytes)}${result.trouble ? `: not decoded, ${result.trouble}` : ""}` : "There is none.");
    setText(this.result, result?.text ?? "");
    this.result.hidden = !result;
  }

  showNode() {
    const run = this.run;
    this.node.show([
      ["Host", run.host], ["Dialled", run.host_dialled ? "yes" : "no"],
      ["Connected", said(run.host_connected)], ["Has the result", said(run.delivered)],
      ["Way", run.way ?? "–"], ["Channel broke", run.reconnects === null ? "–" : `${number(run.reconnects)} times`]]);
  }

  showUsed() {
    const run = this.run;
    const entries = [["Instance", PATHS.get(run.path) ?? "–"], ["Container", run.container_id ?? "–"], ["Exit code", run.exit_code ?? "–"]];
    if (run.oom_killed) entries.push(["Memory", "killed at its limit", "bad"]);
    for (const [name, value] of Object.entries(run.stats ?? {})) entries.push([name, typeof value === "number" ? number(value) : String(value)]);
    for (const [name, value] of flat(run.modules_used, "")) entries.push([name, value]);
    if (!run.modules_used) entries.push(["Modules", run.finished_at === null ? "–" : "nothing was used"]);
    this.used.show(entries);
  }

  readLog() {
    this.records = (this.run.log ?? []).map((record, key) => {
      const { level, target, message, ...more } = Object(record);
      return { key, level: text(level), target: text(target), message: text(message), more: Object.keys(more).length ? JSON.stringify(more) : "" };
    });
    const levels = [...new Set(this.records.map((record) => record.level))];
    const had = this.level.value;
    this.level.replaceChildren(h("option", { value: "" }, "all"), ...levels.map((level) => h("option", { value: level }, level || "none")));
    this.level.value = levels.includes(had) ? had : "";
    this.showLog();
  }

  showLog() {
    this.log.show(this.records.filter((record) => !this.level.value || record.level === this.level.value));
  }
}

function text(value) {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function said(flag) {
  if (flag === null || flag === undefined) return "–";
  return flag ? "yes" : "no";
}

function levelKind(level) {
  if (/^(error|critical|fatal)$/i.test(level)) return "bad";
  return /^warn(ing)?$/i.test(level) ? "warn" : null;
}

// What modules report, whatever its shape, as names and texts.
function flat(value, name) {
  if (value === null || value === undefined) return [];
  if (typeof value !== "object") return [[name || "value", String(value)]];
  return Object.entries(value).flatMap(([key, inner]) => flat(inner, name ? `${name} ${key}` : key));
}
