// The two modules: how they are, what fails by provider, and, for an operator, starting and stopping them.

import { post } from "./api.js";
import { Facts, Table, card, h, setText } from "./dom.js";
import { number } from "./format.js";

const NAMES = new Map([["llm", "Llm"], ["web", "Web"]]);

export class Modules {
  title = "Modules";

  constructor(state) {
    this.state = state;
    this.kinds = new Map();
    this.place = h("div", { class: "grid" });
    this.providers = new Table("Calls by provider and model", [
      { title: "Provider", text: (one) => one.provider }, { title: "Model", text: (one) => one.model },
      { title: "Calls", text: (one) => number(one.calls), few: true },
      { title: "Failed", text: (one) => number(one.failed), kind: (one) => (one.failed ? "bad" : null), few: true },
      { title: "Failures", text: (one) => one.failures },
      { title: "Took another's place", text: (one) => number(one.fallbacks), wide: true, few: true }], (one) => one.key, "No provider was called yet.");
    this.dialog = this.asking();
    this.element = h("div", {}, h("h1", { tabindex: "-1" }, "Modules"), this.place, card("Providers", this.providers.element), this.dialog);
  }

  update(snapshot) {
    for (const [kind, module] of Object.entries(snapshot.status.modules)) {
      if (!NAMES.has(kind)) continue;
      if (!this.kinds.has(kind)) this.add(kind);
      this.show(this.kinds.get(kind), module);
    }
    this.providers.show(providersOf(snapshot.status.modules.llm?.counters));
  }

  add(kind) {
    const one = { kind, facts: new Facts(), counters: new Facts(), said: h("p", { role: "status" }), busy: false };
    one.start = h("button", { type: "button", click: () => this.order(one, "start") }, `Start ${kind}`);
    one.stop = h("button", { type: "button", click: () => this.ask(one) }, `Stop ${kind}`);
    one.buttons = h("div", { class: "row" }, one.start, one.stop);
    this.kinds.set(kind, one);
    this.place.append(card(`Module ${kind}`, one.facts.element, one.buttons, one.said,
      h("details", {}, h("summary", {}, "What it counts"), one.counters.element)));
  }

  show(one, module) {
    const entries = [
      ["State", module.starting ? `${module.state}, one is being started` : module.state, module.state === "running" ? "good" : module.wanted ? "bad" : "dim"],
      ["Wanted", module.wanted ? "yes" : "no"],
      ["Healthy", module.state === "running" ? (module.healthy ? "yes" : `no ${module.detail}`) : "–", module.state === "running" && !module.healthy ? "bad" : null],
      ["Version", module.version ?? "–"], ["Sessions", number(module.sessions)], ["Being replaced", number(module.draining)],
      ["Came back after a crash", `${number(module.restarts)} times`]];
    if (module.trouble) entries.push(["Trouble", module.trouble, "bad"]);
    module.notes.forEach((note, place) => entries.push([`Note ${place + 1}`, note, "warn"]));
    one.facts.show(entries);
    one.counters.show(Object.entries(module.counters ?? {}).filter(([, value]) => typeof value !== "object").map(([name, value]) => [name, typeof value === "number" ? number(value) : String(value)]));
    one.buttons.hidden = !this.state.hello.may_operate;
    one.start.disabled = one.busy || module.state === "running";
    one.stop.disabled = one.busy || !module.wanted;
  }

  async order(one, what) {
    one.busy = true;
    one.start.disabled = one.stop.disabled = true;
    setText(one.said, what === "start" ? "Starting" : "Stopping");
    try {
      const answer = await post(`module/${what}`, { module_type: NAMES.get(one.kind) });
      setText(one.said, String(answer.result).replaceAll("_", " "));
    } catch (error) {
      setText(one.said, error.message);
    } finally {
      one.busy = false;
      if (this.state.snapshot) this.update(this.state.snapshot);
    }
  }

  // Stopping takes something from every contract that asks: never by one wrong touch.
  ask(one) {
    this.asked = one;
    setText(this.question, `Stop the ${one.kind} module? Runs that use it keep it while they last; new ones that need it are refused.`);
    this.dialog.showModal();
  }

  asking() {
    this.question = h("p", { id: "stop-question" });
    const no = h("button", { type: "button", click: () => this.dialog.close() }, "Leave it");
    const yes = h("button", { type: "button", class: "main", click: () => { this.dialog.close(); this.order(this.asked, "stop"); } }, "Stop it");
    return h("dialog", { "aria-labelledby": "stop-question" }, this.question, h("div", { class: "row" }, no, yes));
  }
}

function providersOf(counters) {
  const rows = [];
  for (const [provider, backend] of maps(counters?.backends)) {
    for (const [model, totals] of maps(backend.models)) {
      const failures = Object.entries(totals.failures ?? {});
      rows.push({
        key: JSON.stringify([provider, model]), provider, model, calls: totals.calls, fallbacks: totals.fallbacks,
        failed: failures.reduce((sum, [, count]) => sum + (typeof count === "number" ? count : 0), 0),
        failures: failures.map(([name, count]) => `${name} ${count}`).join(", "),
      });
    }
  }
  return rows;
}

function maps(value) {
  return Object.entries(value ?? {}).filter(([, inner]) => inner !== null && typeof inner === "object" && !Array.isArray(inner));
}
