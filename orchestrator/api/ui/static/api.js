// Asking the manager. The token is in this tab's session storage and in one header, never in an address and
// never in a cookie: no other page can make a browser send it.

const KEPT = "genvm-token";

export const token = {
  get: () => sessionStorage.getItem(KEPT) ?? "",
  set: (text) => sessionStorage.setItem(KEPT, text),
  forget: () => sessionStorage.removeItem(KEPT),
};

export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export function request(path, options = {}) {
  const headers = new Headers(options.headers);
  if (token.get()) headers.set("Authorization", `Bearer ${token.get()}`);
  return fetch(path, { ...options, headers, cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer" });
}

// The refusal that an answer is, with the manager's own words.
export async function refusalOf(answer) {
  let text = `the manager answered ${answer.status}`;
  try {
    const body = await answer.json();
    if (typeof body.error === "string") text = body.error;
  } catch { /* no JSON: a proxy's answer */ }
  return new Refused(answer.status, text);
}

// A browser breaks off whatever it asks when this machine's network changes: asked again, it is answered.
const TRIES = 4;
const PAUSE = 300;

export async function get(path) {
  for (let left = TRIES - 1; ; left -= 1) {
    try {
      const answer = await request(path);
      if (!answer.ok) throw await refusalOf(answer);
      return await answer.json();
    } catch (error) {
      if (error instanceof Refused || left === 0) throw error;
      await new Promise((wake) => { setTimeout(wake, PAUSE); });
    }
  }
}

// An order is given once: whether one without an answer was carried out is for a person to look at.
export async function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  let answer;
  try {
    answer = await request(path, { method: "POST", headers, body: JSON.stringify(body) });
    if (answer.ok) return await answer.json();
  } catch {
    throw new Error("No answer came. The order may have been carried out: look at the state, and give it again if it was not.");
  }
  throw await refusalOf(answer);
}
