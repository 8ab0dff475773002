// Who holds permits, who waits for them, and which instances are ready.

import { Facts, Table, card, h } from "./dom.js";
import { age, moment, number, stateText, waitText } from "./format.js";

export class Capacity {
  title = "Capacity";

  constructor(state) {
    this.state = state;
    this.permits = new Facts();
    this.queue = new Facts();
    this.pool = new Facts();
    const link = (id) => ({ title: "Run", text: (one) => one[id], link: (one) => `#/runs/${one[id]}` });
    this.holders = new Table("Holders of permits", [link("id"),
      { title: "Permits", text: (one) => number(one.permits), few: true },
      { title: "For", text: (one) => age((state.now() - Date.parse(one.since)) / 1000), few: true },
      { title: "Since", text: (one) => moment(one.since), wide: true }], (one) => one.id, "Nobody holds permits.");
    this.waiting = new Table("Waiting runs", [link("id"),
      { title: "State", text: (run) => stateText(run.state), wide: true },
      { title: "Needs", text: (run) => number(run.permits), few: true },
      { title: "Waits", text: (run) => age((state.now() - Date.parse(run.accepted_at)) / 1000), few: true },
      { title: "For", text: (run) => waitText(run.waits_for) }], (run) => run.id, "No run waits.");
    this.images = new Table("Ready instances by image", [
      { title: "Image", text: (one) => one.image },
      { title: "Ready", text: (one) => `${number(one.ready)} of ${number(one.target)}`, few: true },
      { title: "Being started", text: (one) => number(one.filling), few: true },
      { title: "Failed in a row", text: (one) => number(one.failures), kind: (one) => (one.failures ? "bad" : null), few: true }],
    (one) => one.key, "There is no pool, or nothing to keep ready.");
    this.element = h("div", {}, h("h1", { tabindex: "-1" }, "Capacity"),
      h("div", { class: "grid" },
        card("Permits", this.permits.element, this.holders.element),
        card("Queue", this.queue.element, this.waiting.element)),
      card("Pool", this.pool.element, this.images.element));
  }

  update(snapshot) {
    const { permits, queue, pool } = snapshot.status;
    this.permits.show([
      ["Free", `${number(permits.current)} of ${number(permits.max)}`],
      ["One run takes", `${number(permits.per_sync_run)}, with modules ${number(permits.per_nondet_run)}`]]);
    this.queue.show([
      ["Waiting", number(queue.depth)], ["Why", queue.waiting_for ? waitText(queue.waiting_for) : "–"],
      ["Oldest", age(snapshot.figures?.figures.oldest_wait ?? NaN)]]);
    this.pool.show(pool === null ? [["Pool", "none: each run starts its own instance"]] : [
      ["Ready", number(pool.ready)], ["Being started", number(pool.filling)],
      ["Runs that found one", number(pool.warm)], ["Runs that did not", number(pool.cold)],
      ["Discarded", number(pool.discarded)], ["Came back", number(pool.returned)]]);
    this.images.show((pool?.images ?? []).map((one, key) => ({ ...one, key })));
    this.tick();
  }

  tick() {
    const snapshot = this.state.snapshot;
    if (snapshot === null) return;
    this.holders.show(snapshot.holders, snapshot.holders_total);
    this.waiting.show(snapshot.waiting, snapshot.waiting_total);
  }
}
