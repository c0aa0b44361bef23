// Finds where JSON goes wrong. Browsers say it in words of their own, some
// without a place. A text stays as it was written, so that no number loses
// digits on its way through a double.

const maxDepth = 500;

/**
 * Returns what is wrong with a text that should be one JSON value of a kind
 * ("list" or "object"), as {line, column, message}, counted from 1; null if
 * nothing is.
 */
export function faultIn(text, kind) {
  const scanner = new Scanner(text);
  try {
    scanner.space();
    const start = scanner.at;
    scanner.value(0);
    scanner.space();
    if (scanner.at < text.length) scanner.fail("there is more behind the value");
    if (text[start] !== (kind === "list" ? "[" : "{")) {
      scanner.at = start;
      scanner.fail(kind === "list" ? "want a list: [ … ]" : "want an object: { … }");
    }
    return null;
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    const before = text.slice(0, fault.at).split("\n");
    return { line: before.length, column: [...before.at(-1)].length + 1, message: fault.message };
  }
}

class Fault extends Error {
  constructor(at, message) {
    super(message);
    this.at = at;
  }
}

// A Scanner walks over a text by the grammar of RFC 8259.
class Scanner {
  at = 0;

  constructor(text) {
    this.text = text;
  }

  fail(message) {
    throw new Fault(this.at, this.at >= this.text.length ? `${message}, but the text ends here` : message);
  }

  space() {
    while (" \t\r\n".includes(this.text[this.at] ?? "x")) this.at++;
  }

  /** Steps over what a sticky expression matches, and tells whether it did. */
  match(expression) {
    expression.lastIndex = this.at;
    const found = expression.exec(this.text);
    if (found) this.at = expression.lastIndex;
    return found !== null;
  }

  value(depth) {
    if (depth > maxDepth) this.fail(`more than ${maxDepth} values inside one another`);
    const c = this.text[this.at];
    if (c === "[") return this.items("]", () => this.value(depth + 1));
    if (c === "{") return this.items("}", () => this.member(depth + 1));
    if (c === '"') return this.string();
    if (this.match(/(?:true|false|null)\b/y) || this.match(/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?(?![0-9A-Za-z_.])/y)) return;
    this.fail(c === "'" ? 'text stands in double quotes: "…"' : "want a value");
  }

  /** Reads a list or an object, whose bracket it stands on. */
  items(end, item) {
    this.at++;
    this.space();
    if (this.text[this.at] === end) {
      this.at++;
      return;
    }
    for (;;) {
      item();
      this.space();
      if (this.text[this.at] === end) {
        this.at++;
        return;
      }
      if (this.text[this.at] !== ",") this.fail(`want , or ${end}`);
      this.at++;
      this.space();
      if (this.text[this.at] === end) this.fail(`no comma may stand before ${end}`);
    }
  }

  member(depth) {
    if (this.text[this.at] !== '"') this.fail('want a name in double quotes: "…"');
    this.string();
    this.space();
    if (this.text[this.at] !== ":") this.fail("want : behind the name");
    this.at++;
    this.space();
    this.value(depth);
  }

  string() {
    this.at++;
    for (;;) {
      this.match(/[^"\\\u0000-\u001f]+/y);
      if (this.text[this.at] === '"') {
        this.at++;
        return;
      }
      if (this.match(/\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y)) continue;
      this.fail(this.text[this.at] === "\\" ? "no such escape; a backslash is written \\\\" : 'want " at the end of the text; line feeds are written \\n');
    }
  }
}
