// Reads event streams (WHATWG HTML, section 9.2.6). EventSource can only GET
// and sends no credentials of ours; this works on the body of any fetch.

/**
 * An EventParser turns the text of a stream, in pieces of any size, into its
 * events. limit bounds the characters of one event; more is an error.
 */
export class EventParser {
  #limit;
  #line = ""; // what there is of the line that has not ended
  #data = [];
  #size = 0; // of #data
  #name = "";
  #skipLF = false; // the line ended with a CR, whose LF may come yet
  #first = true; // nothing was read, so that a byte order mark may come

  /** The id of the latest event that had one. */
  lastID = "";

  constructor(limit = 16 << 20) {
    this.#limit = limit;
  }

  /** Takes a piece and returns the events that it completes. */
  feed(piece) {
    const events = [];
    let at = 0;
    if (this.#first && piece !== "") {
      this.#first = false;
      if (piece[0] === "\uFEFF") at = 1;
    }
    if (this.#skipLF && at < piece.length) {
      this.#skipLF = false;
      if (piece[at] === "\n") at++;
    }
    const end = /\r\n|\r|\n/g;
    end.lastIndex = at;
    for (let found = end.exec(piece); found; found = end.exec(piece)) {
      const event = this.#take(this.#line + piece.slice(at, found.index));
      if (event) events.push(event);
      this.#line = "";
      at = end.lastIndex;
      this.#skipLF = found[0] === "\r" && at === piece.length;
    }
    this.#line += piece.slice(at);
    this.#check(this.#line.length);
    return events;
  }

  /** Takes a whole line and returns the event that it ends, if it does. */
  #take(line) {
    if (line === "") return this.#dispatch();
    if (line[0] === ":") return null; // a comment
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value[0] === " ") value = value.slice(1);
    if (field === "event") this.#name = value;
    if (field === "id" && !value.includes("\0")) this.lastID = value;
    if (field === "data") {
      this.#data.push(value);
      this.#size += value.length + 1;
      this.#check(0);
    }
    return null;
  }

  /** Returns the event that was collected; one without data is none. */
  #dispatch() {
    const event = this.#data.length > 0 ? { name: this.#name || "message", id: this.lastID, data: this.#data.join("\n") } : null;
    this.#data = [];
    this.#size = 0;
    this.#name = "";
    return event;
  }

  #check(more) {
    if (this.#size + more > this.#limit) throw new RangeError(`an event is longer than ${this.#limit} characters`);
  }
}

/** Yields the events of a body, a ReadableStream of bytes, as they come. */
export async function* readEvents(body) {
  const parser = new EventParser();
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.feed(value);
    }
  } finally {
    await reader.cancel().catch(() => {}); // the body may have failed already
  }
}
