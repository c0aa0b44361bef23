// Takes the optional packages out of package-lock.json ("npm run lock"). They
// are native accelerators for a dozen platforms; a registry that lacks one of
// them would make "npm ci" fail everywhere. Those of libsql are what it is made
// of, and stay.
"use strict";

const fs = require("node:fs");

const lock = JSON.parse(fs.readFileSync("package-lock.json", "utf8"));
for (const [path, entry] of Object.entries(lock.packages)) {
  if (/(^|\/)@?libsql(\/|$)/.test(path)) continue;
  if (entry.optional) delete lock.packages[path];
  delete entry.optionalDependencies;
  delete entry.funding;
}
fs.writeFileSync("package-lock.json", JSON.stringify(lock, null, 2) + "\n");
