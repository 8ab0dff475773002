// Whether the manager can work, and the last hour as charts.

import { get } from "./api.js";
import { Chart } from "./chart.js";
import { Facts, Table, card, h, setText } from "./dom.js";
import { bytes, number, seconds } from "./format.js";

const CHARTS = [
  { title: "Runs that ended, per second", lines: [["runs_per_second", "all", "--good"], ["faults_per_second", "faults", "--bad"]], text: (value) => `${value.toFixed(2)}/s` },
  { title: "Permits and queue", lines: [["permits", "permits", "--dim"], ["permits_held", "held", "--good"], ["waiting", "runs waiting", "--warn"]], text: number },
  { title: "Start of a run, mean", lines: [["start_seconds", "start", "--good"]], text: seconds },
  { title: "Run, mean", lines: [["run_seconds", "run", "--good"]], text: seconds },
  { title: "Calls to engine and journal, mean", lines: [["engine_call_seconds", "engine", "--good"], ["commit_seconds", "journal", "--warn"]], text: seconds },
  { title: "Ready instances", lines: [["pool_target", "wanted", "--dim"], ["pool_ready", "ready", "--good"]], text: number },
];
const POINTS = 360;

export class Health {
  title = "Health";

  constructor(state) {
    this.state = state;
    this.hour = null;
    this.asking = false;
    this.manager = new Facts();
    this.engine = new Facts();
    this.journal = new Facts();
    this.refused = new Facts();
    this.managers = new Table("Managers", [
      { title: "Manager", text: (one) => one.id }, { title: "Alive", text: (one) => (one.alive ? "yes" : "no"), kind: (one) => (one.alive ? "good" : "bad") },
      { title: "Permits held", text: (one) => number(one.permits_in_use) }], (one) => one.id, "");
    this.managersCard = card("Managers of this journal", this.managers.element);
    this.charts = CHARTS.map((one) => new Chart(one));
    this.told = h("p", { class: "dim", role: "status" });
    this.element = h("div", {}, h("h1", { tabindex: "-1" }, "Health"),
      h("div", { class: "grid" }, card("Manager", this.manager.element), card("Engine", this.engine.element),
        card("Journal", this.journal.element), card("Tried and refused", this.refused.element), this.managersCard),
      h("h2", {}, "The last hour"), this.told, h("div", { class: "grid" }, this.charts.map((one) => one.element)));
  }

  update(snapshot) {
    const { status, failing } = snapshot;
    const figures = snapshot.figures?.figures ?? {};
    const entries = [["Ready", Object.keys(failing).length ? "no" : "yes", Object.keys(failing).length ? "bad" : "good"]];
    for (const [part, why] of Object.entries(failing)) entries.push([`Not ready: ${part}`, why, "bad"]);
    snapshot.problems.forEach((problem, place) => entries.push([`Problem ${place + 1}`, problem, "warn"]));
    this.manager.show(entries);
    this.engine.show([
      ["Engine", status.engine, status.engine === "reachable" ? "good" : "bad"], ["Room", status.no_room ?? "there is", status.no_room ? "bad" : null],
      ["Stopped answering", `${number(figures.engine_absences)} times`], ["Calls under way", number(figures.engine_calls_in_flight)],
      ["Instances alive", number(figures.engine_instances)], ["To be removed yet", number(figures.removals_pending)]]);
    this.journal.show([
      ["Journal", status.journal, status.journal === "writable" ? "good" : "bad"], ["On disk", bytes(snapshot.journal_bytes)],
      ["Rows waiting", number(figures.journal_waiting_rows)], ["Failed commits", number(figures.commit_failures)],
      ["Kept runs", `${number(status.retained.executions)}, ${bytes(status.retained.bytes)}`]]);
    this.refused.show(Object.entries(status.misuse).map(([name, count]) => [name, number(count)]));
    this.managersCard.hidden = !status.managers;
    this.managers.show(status.managers ?? []);
    this.add(snapshot.figures);
  }

  async add(point) {
    if (this.asking || point === null) return;
    if (this.hour === null) {
      this.asking = true;
      try {
        this.hour = await get("ui/history");
      } catch (error) {
        setText(this.told, error.message);
      } finally {
        this.asking = false;
      }
      if (this.hour === null) return;
    }
    const last = this.hour.at.at(-1) ?? 0;
    if (point.at > last) {
      this.hour.at.push(point.at);
      for (const [name, values] of Object.entries(this.hour.figures)) values.push(point.figures[name] ?? null);
      if (this.hour.at.length > POINTS) { this.hour.at.shift(); Object.values(this.hour.figures).forEach((values) => values.shift()); }
    }
    if (this.hour.at.at(-1) !== this.drawn) this.redraw();
  }

  redraw() {
    if (this.hour === null) return;
    this.drawn = this.hour.at.at(-1);
    setText(this.told, `${number(this.hour.at.length)} samples, one each ten seconds.`);
    for (const chart of this.charts) chart.draw(this.hour);
  }

  leave() {
    for (const chart of this.charts) chart.leave();
  }
}
