// The part that all Node peers share: a conversation with the test over
// standard input and output, one JSON object a line.
//
// The test sends commands {"id":1,"do":"call",…}. Each is answered by
// {"id":1,"ok":…} or {"id":1,"error":{"uri":…,"args":…,"kwargs":…}}, a call
// also by any number of {"id":1,"progress":…} before. What happens without
// being asked for is reported as {"event":…}.
//
// Values that JSON cannot say travel as objects with one key: {"$bytes":
// base64}, {"$typed": base64} for a Uint8Array where "$bytes" is a Buffer,
// {"$int": decimal}, {"$undefined": true}.
"use strict";

const readline = require("node:readline");

function fromTest(v) {
  if (Array.isArray(v)) return v.map(fromTest);
  if (v === null || typeof v !== "object") return v;
  if ("$bytes" in v) return Buffer.from(v.$bytes, "base64");
  if ("$typed" in v) return new Uint8Array(Buffer.from(v.$typed, "base64"));
  if ("$int" in v) return BigInt(v.$int);
  if ("$undefined" in v) return undefined;
  return Object.fromEntries(Object.entries(v).map(([k, e]) => [k, fromTest(e)]));
}

function toTest(v) {
  if (v === undefined) return { $undefined: true };
  if (typeof v === "bigint") return Number.isSafeInteger(Number(v)) ? Number(v) : { $int: String(v) };
  if (v instanceof ArrayBuffer) return { $bytes: Buffer.from(v).toString("base64") };
  if (ArrayBuffer.isView(v)) return { $bytes: Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString("base64") };
  if (Array.isArray(v)) return v.map(toTest);
  if (v === null || typeof v !== "object") return v;
  return Object.fromEntries(Object.entries(v).map(([k, e]) => [k, toTest(e)]));
}

// say writes one line to the test.
function say(line) {
  process.stdout.write(JSON.stringify(toTest(line)) + "\n");
}

// traced returns a subclass of a WebSocket class that reports every message
// which crosses it, decoded by decode.
function traced(Base, decode) {
  return class extends Base {
    constructor(...args) {
      super(...args);
      this.addEventListener("message", (e) => say({ event: "received", message: decode(e.data) }));
    }

    send(data, ...rest) {
      say({ event: "sent", message: decode(data) });
      return super.send(data, ...rest);
    }
  };
}

// run answers commands with the functions of the same name in verbs until
// standard input ends. A verb returns, or promises, what "ok" carries; an
// error it throws may have uri, args and kwargs.
function run(verbs) {
  process.on("unhandledRejection", (e) => say({ event: "fault", text: String(e?.stack ?? e) }));
  process.on("uncaughtException", (e) => say({ event: "fault", text: String(e?.stack ?? e) }));

  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const command = fromTest(JSON.parse(line));
    try {
      const ok = await verbs[command.do](command);
      say({ id: command.id, ok: ok ?? null });
    } catch (e) {
      say({ id: command.id, error: { uri: e.uri ?? "", args: e.args ?? [], kwargs: e.kwargs ?? {}, text: String(e?.message ?? e) } });
    }
  });
  lines.on("close", () => process.exit(0));
}

module.exports = { run, say, traced };
