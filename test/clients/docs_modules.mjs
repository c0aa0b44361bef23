// Tests the modules of the page at /docs that need no browser:
//
//   node docs_modules.mjs FOLDER
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import path from "node:path";

const load = (name) => import(pathToFileURL(path.join(process.argv[2], name)));
const { EventParser, readEvents } = await load("sse.js");
const { faultIn } = await load("json.js");

/** Returns all events of a stream that comes in pieces of a size. */
function parse(text, size) {
  const parser = new EventParser();
  const events = [];
  for (let at = 0; at < text.length; at += size) events.push(...parser.feed(text.slice(at, at + size)));
  return { events: events.map((e) => [e.name, e.id, e.data]), last: parser.lastID };
}

const streams = [
  ["event: progress\nid: c/1\ndata: 1\n\n", [["progress", "c/1", "1"]]],
  ["data: a\n\ndata: b\n\n", [["message", "", "a"], ["message", "", "b"]]],
  ["data: a\ndata:  b\ndata\n\n", [["message", "", "a\n b\n"]]],
  ["data: a\r\n\r\ndata: b\r\rdata: c\n\n", [["message", "", "a"], ["message", "", "b"], ["message", "", "c"]]],
  ["data: a\r\ndata: b\r\n\r\n", [["message", "", "a\nb"]]],
  [": hb\n\n: hb\n\ndata: x\n\n", [["message", "", "x"]]],
  ["\uFEFFdata: x\n\n", [["message", "", "x"]]],
  ["retry: 2000\nid: 7\n\ndata: x\n\n", [["message", "7", "x"]]],
  ["id: a\0b\ndata: x\n\n", [["message", "", "x"]]],
  ["event: x\n\ndata: y\n\n", [["message", "", "y"]]],
  ["data: never ended\n", []],
  ["data: a: b\nother: c\n\n", [["message", "", "a: b"]]],
];
for (const [text, want] of streams) {
  for (const size of [1, 2, 3, 7, text.length]) assert.deepEqual(parse(text, size).events, want, JSON.stringify(text));
}
assert.equal(parse("id: 1\ndata: a\n\nid: 2\n\n", 4).last, "2");
for (const text of ["data: ".padEnd(40, "x"), "data: 12345678\n".repeat(3)]) {
  assert.throws(() => new EventParser(20).feed(text), RangeError);
}

// Characters that come in two pieces, and a body that breaks off.
const bytes = new TextEncoder().encode("data: grün €\n\ndata: x");
const pieces = new ReadableStream({
  start(controller) {
    for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
    controller.close();
  },
});
const read = [];
for await (const event of readEvents(pieces)) read.push(event.data);
assert.deepEqual(read, ["grün €"]);
const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("gone")) });
await assert.rejects(async () => {
  for await (const event of readEvents(broken)) assert.fail(event.data);
}, /gone/);

const good = ["[]", " [1, -0.5e+3, true, null, \"\\u00fc\\n\"] ", "[9007199254740993]", "[[[{}]]]", '[{"a": [1], "b": {}}]'];
for (const text of good) {
  assert.equal(faultIn(text, "list"), null, text);
  JSON.parse(text);
}
const bad = [
  ["", 1, 1, "want a value, but the text ends here"],
  ["[1,\n 2,]", 2, 4, "no comma may stand before ]"],
  ["[1 2]", 1, 4, "want , or ]"],
  ["[1,", 1, 4, "want a value, but the text ends here"],
  ["['a']", 1, 2, 'text stands in double quotes: "…"'],
  ["[01]", 1, 2, "want a value"],
  ["[1.]", 1, 2, "want a value"],
  ["[nul]", 1, 2, "want a value"],
  ["[True]", 1, 2, "want a value"],
  ['["a\nb"]', 1, 4, 'want " at the end of the text; line feeds are written \\n'],
  ['["😀", "\\x"]', 1, 8, "no such escape; a backslash is written \\\\"],
  ["[] []", 1, 4, "there is more behind the value"],
  ["{}", 1, 1, "want a list: [ … ]"],
  ["[{a: 1}]", 1, 3, 'want a name in double quotes: "…"'],
  ['[{"a" 1}]', 1, 7, "want : behind the name"],
  ["[".repeat(600), 1, 502, "more than 500 values inside one another"],
];
for (const [text, line, column, message] of bad) {
  assert.deepEqual(faultIn(text, "list"), { line, column, message }, text);
  if (text[0] === "[") assert.throws(() => JSON.parse(text), text);
}
assert.equal(faultIn('{"a": 1}', "object"), null);
assert.equal(faultIn("[]", "object").message, "want an object: { … }");
console.log("ok");
