// The one stream of events: whole snapshots, the newest counts. It ends while the tab is hidden, and comes again.

import { refusalOf, request } from "./api.js";

const SOONEST = 500;
const LATEST = 15000;
const SILENCE = 35000; // the manager says something each ten seconds

export class Stream {
  // `on`: {hello, snapshot, link(kind, text), refused(refusal)}
  constructor(on) {
    this.on = on;
    this.wait = SOONEST;
    this.abort = null;
    this.timer = null;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.stop("Paused: hidden") : this.start()));
    addEventListener("online", () => this.start());
  }

  start() {
    this.stop();
    if (!document.hidden) this.read(new AbortController());
  }

  stop(text) {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = null;
    if (text) this.on.link("dim", text);
  }

  async read(abort) {
    this.abort = abort;
    let why = "the manager closed the connection";
    try {
      this.on.link("dim", "Connecting");
      const answer = await request("ui/events", { headers: { Accept: "text/event-stream" }, signal: abort.signal });
      if (!answer.ok) throw await refusalOf(answer);
      await this.take(answer.body.pipeThrough(new TextDecoderStream()).getReader(), abort);
    } catch (error) {
      if (this.abort !== abort) return;
      if (error.status === 401 || error.status === 403) {
        this.on.refused(error);
        return;
      }
      why = error.message;
    }
    if (this.abort !== abort) return;
    this.on.link("bad", `Not connected: ${why}`);
    this.timer = setTimeout(() => this.start(), this.wait);
    this.wait = Math.min(LATEST, this.wait * 2);
  }

  async take(reader, abort) {
    let text = "";
    for (;;) {
      const silent = setTimeout(() => abort.abort(new Error("it has fallen silent")), SILENCE);
      const { done, value } = await reader.read();
      clearTimeout(silent);
      if (done) return;
      text += value;
      const events = text.split("\n\n");
      text = events.pop();
      // Of several that have come at once the last one says all.
      const last = new Map(events.map(parsed));
      for (const [kind, data] of last) {
        if (kind === "hello") this.on.hello(JSON.parse(data));
        if (kind === "snapshot") { this.wait = SOONEST; this.on.link("good", "Live"); this.on.snapshot(JSON.parse(data)); }
      }
    }
  }
}

function parsed(event) {
  const lines = event.split("\n");
  const field = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2)).join("\n");
  return [field("event"), field("data")];
}
