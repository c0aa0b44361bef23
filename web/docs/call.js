// Makes calls: one answer, a stream of events, an upload, or a call that
// answers later. Nothing here touches the page.

import { EventParser, readEvents } from "./sse.js";

const confirmWait = 10; // seconds to wait for the callee's word on a cancel
const maxAnswer = 1 << 20; // characters of a single answer that are shown

/**
 * Sends a request of this gateway. Credentials are those that the person typed:
 * the browser adds none of its own, and asks for none.
 */
export function request(path, credentials, init = {}) {
  const headers = { ...init.headers };
  if (credentials) headers[credentials.name] = credentials.value;
  return fetch(path, { ...init, headers, credentials: "omit", cache: "no-store", redirect: "error" });
}

/**
 * A Call is one call in progress. ask says what to call:
 *
 *   procedure, args, kwargs  the last two as JSON text
 *   file, framing            a File to send instead, and how it is cut
 *   answer                   "stream", "single" or "later"
 *   options                  URLSearchParams
 *   credentials              {name, value} of a header field, or null
 *
 * hooks are told of event({name, id, data}) and sent(bytes, total). run
 * resolves to {state: "done"|"failed"|"canceled", text}; it never rejects.
 */
export class Call {
  #ask;
  #hooks;
  #hangUp = new AbortController();
  #location = ""; // of the call, once known and if it is kept
  #last = ""; // id of the latest event
  #detached = false; // it goes on without us

  constructor(ask, hooks) {
    this.#ask = ask;
    this.#hooks = hooks;
  }

  async run() {
    try {
      return await (this.#ask.file ? this.#upload() : this.#call());
    } catch (err) {
      if (this.#hangUp.signal.aborted) return this.#afterHangUp();
      return { state: "failed", text: `The connection broke: ${err.message}` };
    }
  }

  /**
   * Cancels the call: by hanging up, or with DELETE if it answers later. Then
   * its last event tells what became of it.
   */
  async cancel() {
    if (!this.#detached) {
      this.#hangUp.abort();
      return;
    }
    const answer = await request(this.#location, this.#ask.credentials, { method: "DELETE" });
    if (!answer.ok) throw new Error(`DELETE was answered with ${answer.status}`);
  }

  #path(extra = {}) {
    const query = new URLSearchParams(this.#ask.options);
    for (const [name, value] of Object.entries(extra)) query.set(name, value);
    return `/call/${encodeURIComponent(this.#ask.procedure)}?${query}`;
  }

  async #call() {
    const { args, kwargs, answer, credentials } = this.#ask;
    const headers = { "Content-Type": "application/json", Accept: "application/json" };
    const extra = { body: "call" };
    if (answer === "stream") headers.Accept = "text/event-stream";
    if (answer === "later") {
      headers.Prefer = "respond-async";
      extra.progress = "true";
    } else {
      // A call with a key is kept after its end, so that one can ask what
      // became of it after a hang-up.
      headers["Idempotency-Key"] = randomKey();
    }
    const response = await request(this.#path(extra), credentials, {
      method: "POST",
      headers,
      body: `{"args":${args},"kwargs":${kwargs}}`,
      signal: this.#hangUp.signal,
    });
    const id = response.headers.get("Wamp-Call-Id");
    if (id) this.#location = `/calls/${id}`;
    if (response.status === 202) return this.#follow(response);
    return this.#read(response);
  }

  /** Reads the events of a call that answers later, and goes on if they break off. */
  async #follow(accepted) {
    this.#location = accepted.headers.get("Location");
    this.#detached = true;
    for (let tries = 0; tries < 5; tries++) {
      const before = this.#last;
      const headers = { Accept: "text/event-stream" };
      if (before) headers["Last-Event-ID"] = before;
      try {
        return await this.#read(await request(`${this.#location}/events`, this.#ask.credentials, { headers }));
      } catch {
        if (this.#last !== before) tries = 0;
        await new Promise((resume) => setTimeout(resume, 500 << tries));
      }
    }
    return { state: "failed", text: `The events broke off; the call itself is at ${this.#location}` };
  }

  /** Reads an answer to its end, whatever it is. */
  async #read(response) {
    if (isStream(response.headers.get("Content-Type"))) {
      let outcome = null;
      for await (const event of readEvents(response.body)) {
        outcome = this.#event(event) ?? outcome;
      }
      if (!outcome) throw new Error("the stream ended without a last event");
      return outcome;
    }
    return single(response.status, await response.text(), response.headers.get("Wamp-Result"));
  }

  /** Shows an event, and returns the outcome if it is the last one. */
  #event(event) {
    this.#last = event.id;
    this.#hooks.event(event);
    if (event.name === "result") return { state: "done", text: "" };
    if (event.name === "error") return failure(event.data, "");
    return null;
  }

  /**
   * Sends a file. XMLHttpRequest is what tells how much is sent: fetch does
   * not, and streams of request bodies need HTTP/2.
   */
  async #upload() {
    const { file, framing, answer, credentials } = this.#ask;
    // A refusal of XMLHttpRequest makes the browser ask for a password.
    const known = await request("/procedures?limit=1", credentials, { signal: this.#hangUp.signal });
    if (known.status === 401) return failure(await known.text(), "Refused");
    const { promise, resolve, reject } = Promise.withResolvers();
    const xhr = new XMLHttpRequest();
    xhr.open("POST", this.#path({ in: framing }));
    xhr.setRequestHeader("Content-Type", framing === "ndjson" ? "application/x-ndjson" : "application/octet-stream");
    xhr.setRequestHeader("Accept", answer === "stream" ? "text/event-stream" : "application/json");
    if (credentials) xhr.setRequestHeader(credentials.name, credentials.value);
    xhr.upload.onprogress = (e) => this.#hooks.sent(e.loaded, file.size);
    xhr.upload.onload = () => this.#hooks.sent(file.size, file.size);
    xhr.onerror = () => reject(new Error("the upload was cut off"));
    xhr.onabort = xhr.onerror;
    this.#hangUp.signal.addEventListener("abort", () => xhr.abort());

    const reading = uploadReader((event) => this.#event(event));
    xhr.onprogress = () => reading(xhr);
    xhr.onload = () => {
      try {
        const outcome = reading(xhr) ?? (isStream(xhr.getResponseHeader("Content-Type")) ? null : single(xhr.status, xhr.responseText, xhr.getResponseHeader("Wamp-Result")));
        resolve(outcome ?? { state: "failed", text: "The stream ended without a last event" });
      } catch (err) {
        reject(err);
      }
    };
    xhr.send(file);
    return promise;
  }

  /**
   * Finds out what became of a call after its client hung up: its last event
   * tells. To ask for events is to come back, and the call would go on; so
   * first it is waited for.
   */
  async #afterHangUp() {
    const said = { state: "canceled", text: "You hung up; the gateway tells the callee to stop." };
    if (!this.#location) return said;
    try {
      const call = await request(`${this.#location}?wait=${confirmWait}s`, this.#ask.credentials);
      if (!call.ok || !(await call.json()).ended) return said;
      const headers = { Accept: "text/event-stream", "Last-Event-ID": this.#last };
      const response = await request(`${this.#location}/events`, this.#ask.credentials, { headers });
      return response.status === 200 ? await this.#read(response) : said;
    } catch {
      return said;
    }
  }
}

/** Returns a function that reads what came of an event stream since the last time. */
function uploadReader(take) {
  let parser = null;
  let read = 0;
  let outcome = null;
  return (xhr) => {
    if (!isStream(xhr.getResponseHeader("Content-Type"))) return null;
    parser ??= new EventParser();
    for (const event of parser.feed(xhr.responseText.slice(read))) outcome = take(event) ?? outcome;
    read = xhr.responseText.length;
    return outcome;
  };
}

const isStream = (type) => (type ?? "").startsWith("text/event-stream");

/** Tells what a single answer says. */
function single(status, text, shape) {
  if (status >= 400) return failure(text, `Status ${status}`);
  const shown = text.length > maxAnswer ? `${text.slice(0, maxAnswer)}… (cut here)` : text;
  return { state: "done", text: shape === "none" || text === "" ? "No result: the callee returned nothing." : shown.trimEnd() };
}

/** Tells what a problem document says. */
function failure(text, otherwise) {
  let problem = {};
  try {
    problem = JSON.parse(text);
  } catch {
    return { state: "failed", text: `${otherwise}: ${text.slice(0, 1000)}` };
  }
  const { error = "", detail = "", source = "", retry = "", status = "" } = problem;
  if (error === "wamp.error.canceled") {
    return { state: "canceled", text: source === "callee" ? "Canceled: the callee confirmed that it stopped." : `Canceled: ${detail}` };
  }
  return { state: "failed", text: `${error}: ${detail} (${status}, ${source}, retry ${retry})` };
}

function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}
