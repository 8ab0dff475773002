// Numbers and times as people read them.

export function seconds(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size < 0.001) return `${(value * 1e6).toFixed(0)} µs`;
  if (size < 1) return `${(value * 1e3).toFixed(size < 0.01 ? 2 : 1)} ms`;
  if (size < 60) return `${value.toFixed(size < 10 ? 2 : 1)} s`;
  if (size < 3600) return `${Math.floor(size / 60)} min ${Math.floor(size % 60)} s`;
  if (size < 86400) return `${Math.floor(size / 3600)} h ${Math.floor((size % 3600) / 60)} min`;
  return `${Math.floor(size / 86400)} d ${Math.floor((size % 86400) / 3600)} h`;
}

// Whole seconds: what counts on the page each second need not flicker.
export function age(value) {
  if (value === null || Number.isNaN(value)) return "–";
  return value < 60 ? `${Math.max(0, Math.floor(value))} s` : seconds(value);
}

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) { size /= 1024; unit += 1; }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}

export function moment(text) {
  if (!text) return "–";
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? String(text) : at.toLocaleString();
}

// The same where room is short: the day only of another day.
export function when(text) {
  const at = new Date(text ?? NaN);
  if (Number.isNaN(at.getTime())) return moment(text);
  const today = new Date().toDateString() === at.toDateString();
  return today ? at.toLocaleTimeString() : at.toLocaleDateString();
}

export function number(value) {
  return typeof value === "number" ? value.toLocaleString() : "–";
}

export const STATES = new Map([
  ["queued", "Waiting"], ["starting", "Starting"], ["running", "Running"], ["finishing", "Finishing"],
  ["finished", "Finished"], ["failed_to_start", "Failed to start"],
]);

export function stateText(state) {
  return STATES.get(state) ?? String(state);
}

const WAITS = new Map([
  ["permits", "permits: others hold them"],
  ["engine", "the engine, which does not answer"],
  ["room", "room in the cluster"],
]);

export function waitText(reason) {
  return reason ? WAITS.get(reason) ?? String(reason) : "";
}

export const CAUSES = ["exited", "cancelled", "deadline", "shutdown", "oom", "signal", "engine", "protocol", "upstream", "internal"];

export function endKind(run) {
  if (run.state === "failed_to_start") return "bad";
  return ["exited", "cancelled", "shutdown", null].includes(run.cause) ? null : "warn";
}
