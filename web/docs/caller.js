// The part of the page that calls: the list of procedures, the form, and what
// comes back. All text from the gateway is set as text.

import { Call, request } from "./call.js";
import { faultIn } from "./json.js";

const shownProcedures = 200; // in the list at once; the search finds the others
const readProcedures = 5000; // of the gateway
const shownEvents = 500; // the latest

const $ = (id) => document.getElementById(id);

/** Sets the part up. credentials returns those of now. */
export function showCallPage(credentials) {
  const list = new ProcedureList(credentials);
  const form = new CallForm(credentials, (uri) => list.summary(uri));
  list.onchoice = (procedure) => form.choose(procedure);
  list.refresh();
  return list;
}

// A ProcedureList shows what the client may call.
class ProcedureList {
  #credentials;
  #all = [];
  #reading = 0; // counts refreshes, so that a slow answer does not undo a later one

  constructor(credentials) {
    this.#credentials = credentials;
    $("search").addEventListener("input", () => this.#show());
    $("refresh").addEventListener("click", () => this.refresh());
  }

  /** Returns what a procedure does, "" if that is not known. */
  summary(uri) {
    return this.#all.find((p) => p.uri === uri)?.http?.summary ?? "";
  }

  async refresh() {
    const reading = ++this.#reading;
    const say = (text) => ($("procedures-status").textContent = text);
    say("Loading…");
    try {
      const all = [];
      for (let path = "/procedures?limit=1000"; path && all.length < readProcedures; ) {
        const response = await request(path, this.#credentials());
        if (reading !== this.#reading) return;
        if (response.status === 401) throw new Error("the gateway wants to know who you are: see Credentials above");
        if (!response.ok) throw new Error(`the list was answered with ${response.status}`);
        const page = await response.json();
        all.push(...page.procedures);
        path = page.next;
      }
      this.#all = all.sort((a, b) => (a.uri < b.uri ? -1 : 1));
      this.#show();
    } catch (err) {
      if (reading !== this.#reading) return;
      this.#all = [];
      this.#show();
      say(`There is no list: ${err.message}.`);
    }
  }

  #show() {
    const words = $("search").value.toLowerCase().split(/\s+/);
    const fits = this.#all.filter((p) => {
      const text = `${p.uri} ${p.http?.summary ?? ""}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    $("procedures").replaceChildren(...fits.slice(0, shownProcedures).map((p) => this.#item(p)));
    const more = fits.length > shownProcedures ? `; the first ${shownProcedures} are shown` : "";
    $("procedures-status").textContent = `${fits.length} of ${this.#all.length}${more}`;
  }

  #item(procedure) {
    const button = document.createElement("button");
    button.type = "button";
    const uri = document.createElement("code");
    uri.textContent = procedure.uri;
    button.append(uri);
    const about = [procedure.match === "exact" ? "" : `${procedure.match} pattern`, procedure.http?.summary ?? ""].filter(Boolean).join(": ");
    if (about) {
      const span = document.createElement("span");
      span.textContent = about;
      button.append(span);
    }
    button.addEventListener("click", () => {
      for (const other of $("procedures").querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
      button.setAttribute("aria-current", "true");
      this.onchoice(procedure);
    });
    const item = document.createElement("li");
    item.append(button);
    return item;
  }
}

// A CallForm makes one call at a time.
class CallForm {
  #credentials;
  #call = null; // the one that runs

  constructor(credentials, summary) {
    this.#credentials = credentials;
    $("procedure").addEventListener("input", () => ($("summary").textContent = summary($("procedure").value.trim())));
    $("call-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start();
    });
    $("cancel").addEventListener("click", () => this.#cancel());
    $("file").addEventListener("change", () => this.#fileChanged());
    $("file-clear").addEventListener("click", () => {
      $("file").value = "";
      this.#fileChanged();
      $("file").focus();
    });
    for (const [id, kind] of [["args", "list"], ["kwargs", "object"]]) {
      $(id).addEventListener("blur", () => this.#check(id, kind));
      $(id).addEventListener("input", () => $(id).getAttribute("aria-invalid") && this.#check(id, kind));
    }
    this.#fileChanged(); // browsers keep what was chosen when a page is loaded again
  }

  choose(procedure) {
    $("procedure").value = procedure.uri;
    $("summary").textContent = procedure.http?.summary ?? "";
    $(procedure.match === "exact" ? "args" : "procedure").focus();
  }

  #fileChanged() {
    const chosen = $("file").files.length > 0;
    $("file-note").hidden = !chosen;
    $("framing-label").hidden = !chosen;
    for (const id of ["args", "kwargs", "later"]) $(id).disabled = chosen;
    if (chosen && $("later").checked) document.querySelector('[name="answer"][value="stream"]').checked = true;
  }

  /** Says where a text is no JSON, and returns whether it is. */
  #check(id, kind) {
    const fault = $(id).disabled ? null : faultIn($(id).value, kind);
    $(`${id}-fault`).textContent = fault ? `Line ${fault.line}, column ${fault.column}: ${fault.message}.` : "";
    if (fault) $(id).setAttribute("aria-invalid", "true");
    else $(id).removeAttribute("aria-invalid");
    return fault === null;
  }

  async #start() {
    if (this.#call) return;
    if ($("procedure").value.trim() === "") {
      $("procedure").focus();
      return this.#say("failed", "Name a procedure first.");
    }
    const faulty = [["args", "list"], ["kwargs", "object"]].filter(([id, kind]) => !this.#check(id, kind));
    if (faulty.length > 0) return $(faulty[0][0]).focus();
    const started = performance.now();
    const log = new EventLog(started);
    this.#call = new Call(this.#ask(), { event: (e) => log.add(e), sent: showSent });
    $("start").disabled = true;
    $("cancel").disabled = false;
    this.#say("running", "Running…");
    $("upload").hidden = true;
    const { state, text } = await this.#call.run();
    this.#call = null;
    log.flush();
    $("start").disabled = false;
    if (document.activeElement === $("cancel")) $("start").focus();
    $("cancel").disabled = true;
    this.#finish(state, text, log.count, performance.now() - started);
  }

  #ask() {
    const options = new URLSearchParams($("options").value);
    if ($("timeout").value.trim()) options.set("timeout", $("timeout").value.trim());
    return {
      procedure: $("procedure").value.trim(),
      args: $("args").value,
      kwargs: $("kwargs").value,
      file: $("file").files[0],
      framing: $("framing").value,
      answer: document.querySelector('[name="answer"]:checked').value,
      options,
      credentials: this.#credentials(),
    };
  }

  #finish(state, text, events, took) {
    const time = took < 1000 ? `${Math.round(took)} ms` : `${(took / 1000).toFixed(1)} s`;
    const tail = `${time}${events > 0 ? `, ${events} ${events === 1 ? "event" : "events"}` : ""}`;
    if (state === "done") {
      this.#say("done", `Done in ${tail}.`);
      $("result").textContent = text;
      $("result").hidden = text === "";
      return;
    }
    this.#say(state, `${text} After ${tail}.`);
  }

  #say(state, text) {
    $("status").dataset.state = state;
    $("status").textContent = text;
  }

  async #cancel() {
    $("cancel").disabled = true;
    this.#say("running", "Canceling…");
    try {
      await this.#call?.cancel();
    } catch (err) {
      this.#say("running", `It could not be canceled: ${err.message}. It is still running.`);
      $("cancel").disabled = false;
    }
  }
}

function showSent(bytes, total) {
  $("upload").hidden = false;
  $("upload-bar").value = total > 0 ? bytes / total : 1;
  $("upload-text").textContent = `${size(bytes)} of ${size(total)}`;
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1 << 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

// An EventLog shows the latest events of a call, once a frame: a callee may be
// faster than a page.
class EventLog {
  #started;
  #waiting = [];
  #frame = 0;
  count = 0;

  constructor(started) {
    this.#started = started;
    $("events").replaceChildren();
    for (const id of ["events", "dropped", "result"]) $(id).hidden = true;
  }

  add(event) {
    this.count++;
    this.#waiting.push({ ...event, at: performance.now() - this.#started });
    if (this.#waiting.length > shownEvents) this.#waiting.shift();
    this.#frame ||= requestAnimationFrame(() => this.flush());
  }

  flush() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#waiting.length === 0) return;
    const list = $("events");
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 8;
    list.append(...this.#waiting.map(eventItem));
    this.#waiting = [];
    while (list.childElementCount > shownEvents) list.firstElementChild.remove();
    list.hidden = false;
    $("dropped").hidden = this.count <= shownEvents;
    $("dropped").textContent = `The latest ${shownEvents} of ${this.count} events:`;
    if (atEnd) list.scrollTop = list.scrollHeight;
  }
}

function eventItem({ name, data, at }) {
  const item = document.createElement("li");
  item.dataset.name = name;
  const time = document.createElement("time");
  time.textContent = `${(at / 1000).toFixed(2)} s`;
  const word = document.createElement("b");
  word.textContent = name;
  const code = document.createElement("code");
  code.textContent = data.length > 4096 ? `${data.slice(0, 4096)}… (${data.length} characters)` : data;
  item.append(time, word, code);
  return item;
}
