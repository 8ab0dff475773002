// The list: what is under way, live, and what has ended, a page at a time however many are kept.

import { get } from "./api.js";
import { Facts, Table, h, setText } from "./dom.js";
import { CAUSES, age, endKind, number, seconds, stateText, waitText, when } from "./format.js";

const PAGE = 50;
const ENDED = "finished,failed_to_start";
const ASKED_AGAIN = 3000;

export class Runs {
  title = "Runs";

  constructor(state) {
    this.state = state;
    this.pages = []; // where each older page begins
    this.ended = null; // an asked page; null: the newest, as the stream has it
    this.asked = 0;
    this.tiles = new Facts("tiles");
    this.live = new Table("Under way", this.liveColumns(), (run) => run.id, "No run is under way.");
    this.table = new Table("Ended", this.endedColumns(), (run) => run.id, "No such run is kept.");
    this.element = h("div", {}, h("h1", { tabindex: "-1" }, "Runs"), this.tiles.element,
      h("section", { class: "card" }, this.live.element),
      h("section", { class: "card" }, this.controls(), this.table.element, this.paging()));
  }

  liveColumns() {
    const link = { title: "Run", text: (run) => run.id, link: (run) => `#/runs/${run.id}` };
    return [link,
      { title: "State", text: (run) => stateText(run.state), few: true },
      { title: "Version", text: (run) => run.version || "–", wide: true },
      { title: "Age", text: (run) => this.since(run.accepted_at), few: true },
      { title: "Deadline in", text: (run) => this.left(run.deadline), kind: (run) => (this.leftSeconds(run) < 10 ? "warn" : null), few: true },
      { title: "Permits", text: (run) => (run.permits_held ? run.permits_held : `needs ${run.permits}`), few: true },
      { title: "Waits for", text: (run) => waitText(run.waits_for) },
      { title: "Namespace", text: (run) => run.namespace, wide: true }];
  }

  endedColumns() {
    return [{ title: "Run", text: (run) => run.id, link: (run) => `#/runs/${run.id}` },
      { title: "State", text: (run) => stateText(run.state), kind: endKind, few: true },
      { title: "Cause", text: (run) => run.cause, few: true },
      { title: "Version", text: (run) => run.version || "–", wide: true },
      { title: "Ended", text: (run) => when(run.finished_at), few: true },
      { title: "Took", text: (run) => seconds((Date.parse(run.finished_at) - Date.parse(run.accepted_at)) / 1000), few: true },
      { title: "Fetched", text: (run) => (run.fetched_at ? "yes" : "no"), wide: true },
      { title: "Namespace", text: (run) => run.namespace, wide: true }];
  }

  controls() {
    const choice = (name, first, options) => h("label", {}, `${name} `, h("select", { change: () => this.begin() },
      h("option", { value: "" }, first), options.map(([value, text]) => h("option", { value }, text))));
    this.stateChoice = choice("State", "all", [["finished", "Finished"], ["failed_to_start", "Failed to start"]]);
    this.causeChoice = choice("Cause", "all", CAUSES.map((cause) => [cause, cause]));
    this.wanted = h("input", { id: "run-id", inputmode: "numeric", pattern: "[0-9]{1,20}", size: 8, autocomplete: "off" });
    const open = (event) => {
      event.preventDefault();
      if (/^\d{1,20}$/.test(this.wanted.value.trim())) location.hash = `#/runs/${this.wanted.value.trim()}`;
    };
    return h("div", { class: "row" }, this.stateChoice, this.causeChoice,
      h("form", { class: "row", submit: open }, h("label", { for: "run-id" }, "Run"), this.wanted, h("button", { type: "submit" }, "Open")));
  }

  paging() {
    this.newer = h("button", { type: "button", click: () => this.turn(-1) }, "Newer");
    this.older = h("button", { type: "button", click: () => this.turn(1) }, "Older");
    this.place = h("span", { class: "dim", role: "status" });
    return h("div", { class: "row" }, this.newer, this.older, this.place);
  }

  get state_() { return this.stateChoice.querySelector("select").value; }
  get cause() { return this.causeChoice.querySelector("select").value; }

  begin() {
    this.pages = [];
    this.ended = null;
    this.ask();
  }

  turn(by) {
    if (by > 0) this.pages.push(this.shown.at(-1)?.id ?? 1);
    else this.pages.pop();
    this.ask();
  }

  get isNewest() { return this.pages.length === 0 && !this.state_ && !this.cause; }

  async ask() {
    this.asked = Date.now();
    if (this.isNewest) {
      this.ended = null;
      return this.showEnded();
    }
    const query = new URLSearchParams({ limit: PAGE, state: this.state_ || ENDED });
    if (this.cause) query.set("cause", this.cause);
    if (this.pages.length) query.set("before", this.pages.at(-1));
    try {
      this.ended = await get(`executions?${query}`);
      if (!this.isNewest) this.showEnded();
    } catch (error) {
      setText(this.place, error.message);
    }
  }

  get shown() {
    if (this.ended !== null) return this.ended.executions;
    return this.state.snapshot?.recent ?? [];
  }

  showEnded() {
    const runs = this.shown;
    this.table.show(runs);
    const kept = this.state.snapshot?.status.retained.executions ?? 0;
    this.newer.disabled = this.pages.length === 0;
    this.older.disabled = runs.length === 0 || (this.ended === null ? !this.state.snapshot.recent_more : this.ended.next === null);
    setText(this.place, `Page ${this.pages.length + 1}, ${number(kept)} kept`);
  }

  update(snapshot) {
    const status = snapshot.status;
    const failing = Object.entries(snapshot.failing);
    this.tiles.show([
      ["Under way", number(snapshot.live_total)],
      ["Waiting", status.queue.depth ? `${number(status.queue.depth)}, for ${waitText(status.queue.waiting_for)}` : "0"],
      ["Permits free", `${number(status.permits.current)} of ${number(status.permits.max)}`],
      ["Kept", number(status.retained.executions)],
      ["Ready", failing.length ? `no: ${failing.map(([, why]) => why).join("; ")}` : "yes", failing.length ? "bad" : "good"],
    ]);
    this.tick();
    if (this.isNewest) this.showEnded();
    else if (this.pages.length === 0 && Date.now() - this.asked > ASKED_AGAIN) this.ask();
  }

  // Ages grow without news.
  tick() {
    const { snapshot } = this.state;
    if (snapshot !== null) this.live.show(snapshot.live, snapshot.live_total);
  }

  since(text) { return age((this.state.now() - Date.parse(text)) / 1000); }
  leftSeconds(run) { return (Date.parse(run.deadline) - this.state.now()) / 1000; }
  left(text) {
    const left = (Date.parse(text) - this.state.now()) / 1000;
    return left < 0 ? `${age(-left)} over` : age(left);
  }
}

