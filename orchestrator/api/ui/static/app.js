// The page as a whole: which part is shown, who looks, and what has come.

import { token } from "./api.js";
import { setClass, setText } from "./dom.js";
import { Capacity } from "./capacity.js";
import { Health } from "./health.js";
import { Modules } from "./modules.js";
import { OneRun } from "./run.js";
import { Runs } from "./runs.js";
import { Stream } from "./stream.js";
import { startTheme } from "./theme.js";

const at = (id) => document.getElementById(id);
const main = at("content");

// What every part may know. `now()`: the manager's time in milliseconds, whatever this machine's clock says.
export const state = { hello: null, snapshot: null, skew: 0, now: () => Date.now() + state.skew, say: (text) => setText(at("said"), text) };

const PARTS = [
  [/^#\/runs\/(\d{1,20})$/, (found) => new OneRun(state, found[1])],
  [/^#\/runs$/, () => new Runs(state)],
  [/^#\/capacity$/, () => new Capacity(state)],
  [/^#\/modules$/, () => new Modules(state)],
  [/^#\/health$/, () => new Health(state)],
];
let part = null;

function route() {
  for (const [pattern, make] of PARTS) {
    const found = pattern.exec(location.hash);
    if (found) return show(make(found));
  }
  location.replace("#/runs");
}

function show(next) {
  const first = part === null;
  part?.leave?.();
  part = next;
  main.replaceChildren(part.element);
  document.title = `${part.title} – GenVM manager`;
  for (const link of document.querySelectorAll("nav a")) {
    if (location.hash.startsWith(link.getAttribute("href"))) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  update();
  if (!first) main.querySelector("h1")?.focus();
}

function update() {
  if (state.snapshot !== null && state.hello !== null) part?.update(state.snapshot);
}

function signing(asked, text = "") {
  at("signing").hidden = !asked;
  setText(at("token-error"), text);
  if (asked) at("token").focus();
}

const stream = new Stream({
  hello(hello) {
    state.hello = hello;
    signing(false);
    setText(at("version"), hello.version);
    const sees = hello.namespace === null ? "all runs" : `the runs of namespace ${hello.namespace}`;
    const may = hello.may_operate ? "may operate" : "read only";
    setText(at("who"), hello.tokens ? `Token ${hello.name} (${hello.scope}): ${sees}, ${may}.` : `No tokens are in use here: ${sees}, read only.`);
    at("forget").hidden = !token.get();
    update();
  },
  snapshot(snapshot) {
    state.skew = Date.parse(snapshot.at) - Date.now();
    state.snapshot = snapshot;
    update();
  },
  link(kind, text) {
    setText(at("link"), text);
    setClass(at("link"), `badge ${kind}`);
  },
  refused(refusal) {
    state.hello = state.snapshot = null;
    route();
    setText(at("link"), "Not connected");
    setClass(at("link"), "badge bad");
    signing(true, token.get() ? refusal.message : "");
  },
});

at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("token").value.trim();
  at("token").value = "";
  if (!/^[\x21-\x7e]+$/.test(text)) return signing(true, "a token has letters, digits and signs only, and no spaces");
  token.set(text);
  stream.start();
});
at("forget").addEventListener("click", () => {
  token.forget();
  // What was seen with it goes as well.
  state.hello = state.snapshot = null;
  setText(at("who"), "Not connected.");
  at("forget").hidden = true;
  route();
  stream.start();
});
at("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", route);
setInterval(() => { if (!document.hidden) part?.tick?.(); }, 1000);
startTheme(at("theme"), () => part?.redraw?.());
route();
stream.start();
