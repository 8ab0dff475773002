// One chart: drawn by uPlot, and said in words and as a table for who does not see it.

import { card, h, setText } from "./dom.js";
import { colour } from "./theme.js";

const HEIGHT = 180;
const ROWS = 6;

export class Chart {
  // `title`, `lines`: [figure, name, colour], `text`: a value for people
  constructor(about) {
    this.about = about;
    this.plot = null;
    this.place = h("div", { class: "plot", role: "img", "aria-label": about.title });
    this.words = h("p", { class: "dim" });
    this.rows = h("tbody");
    const titles = ["Time", ...about.lines.map(([, name]) => name)].map((name) => h("th", { scope: "col" }, name));
    this.element = card(about.title, this.place, this.words, h("details", {}, h("summary", {}, "As a table"),
      h("table", {}, h("caption", { class: "unseen" }, about.title), h("thead", {}, h("tr", {}, titles)), this.rows)));
    this.element.classList.add("chart");
    this.sized = new ResizeObserver(() => this.fit());
    this.sized.observe(this.place);
  }

  draw(hour) {
    const data = [hour.at, ...this.about.lines.map(([figure]) => hour.figures[figure] ?? hour.at.map(() => null))];
    this.say(data);
    const look = getComputedStyle(document.documentElement).colorScheme;
    if (this.plot !== null && this.look === look) return this.plot.setData(data);
    this.plot?.destroy();
    this.look = look;
    this.plot = new uPlot(this.options(), data, this.place);
  }

  options() {
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    const shown = (value) => (value === null || value === undefined ? "–" : this.about.text(value));
    return {
      width: this.width, height: HEIGHT, cursor: { drag: { x: false, y: false } },
      scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [axis, { ...axis, size: 70, values: (_plot, ticks) => ticks.map(shown) }],
      series: [{}, ...this.about.lines.map(([, name, stroke]) => ({ label: name, stroke: colour(stroke), width: 2, spanGaps: false, points: { size: 4 }, value: (_plot, value) => shown(value) }))],
    };
  }

  get width() { return Math.max(200, Math.floor(this.place.clientWidth)); }

  fit() {
    if (this.plot !== null && this.plot.width !== this.width) this.plot.setSize({ width: this.width, height: HEIGHT });
  }

  say([at, ...columns]) {
    const shown = (value) => (value === null || value === undefined ? "nothing" : this.about.text(value));
    const texts = this.about.lines.map(([, name], place) => {
      const values = columns[place].filter((value) => value !== null);
      const most = values.length ? Math.max(...values) : null;
      return `${name}: now ${shown(columns[place].at(-1))}, at most ${shown(most)}`;
    });
    setText(this.words, texts.join("; "));
    this.place.setAttribute("aria-label", `${this.about.title}. ${texts.join("; ")}`);
    const rows = at.slice(-ROWS).map((moment, place) => {
      const from = Math.max(0, at.length - ROWS) + place;
      return h("tr", {}, h("td", {}, new Date(moment * 1000).toLocaleTimeString()), columns.map((column) => h("td", {}, shown(column[from]))));
    });
    this.rows.replaceChildren(...rows);
  }

  leave() {
    this.sized.disconnect();
    this.plot?.destroy();
  }
}
