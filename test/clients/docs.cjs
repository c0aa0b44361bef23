// Drives the page at /docs as a person would, in a real browser, and prints
// what it saw as one object of JSON.
//
//   node docs.cjs NODE_MODULES CHROMIUM {"url":…, "guarded":…, "name":…, "secret":…, "shots":…}
//
// guarded is a gateway that asks for credentials; shots a folder for pictures,
// or nothing. The procedures test.docs.hang, .later and .upload, which say one
// thing and then wait to be interrupted, have to be there.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const [packages, executablePath, given] = process.argv.slice(2);
const { chromium } = require(path.join(packages, "playwright-core"));
const { url, guarded, name, secret, shots } = JSON.parse(given);

const patience = 30_000;
// No name leads anywhere, and the browser has nothing to tell its maker.
const quiet = [
  "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
  "--disable-domain-reliability", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

const seen = { faults: [], outside: [], texts: {}, checks: {} };

/** Notes what a page should not do. Browsers complain of answers that are errors, some of which are expected. */
function observe(page, origin, expected = /^$/) {
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !expected.test(message.text())) seen.faults.push(message.text());
  });
  page.on("pageerror", (error) => seen.faults.push(String(error)));
  page.on("request", (request) => {
    const to = request.url();
    if (!to.startsWith(`${origin}/`) && !to.startsWith("data:") && !to.startsWith(`blob:${origin}/`)) seen.outside.push(to);
  });
  return page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (e) => console.error(`policy violated: ${e.violatedDirective} by ${e.blockedURI}`));
  });
}

/** Waits until the status of the answer is in one of the states, and returns its text. */
async function ended(page, state = "done") {
  await page.locator(`#status[data-state="${state}"]`).waitFor({ timeout: patience });
  return page.locator("#status").textContent();
}

async function fill(page, values) {
  for (const [id, text] of Object.entries(values)) await page.locator(`#${id}`).fill(text);
}

async function steps(page) {
  const { texts, checks } = seen;
  await page.goto(`${url}/docs`);
  await page.getByRole("button", { name: "demo.add" }).waitFor();

  // By keyboard alone: search, choose, type, call.
  await page.getByRole("searchbox", { name: "Search" }).focus();
  await page.keyboard.type("exactly");
  checks.found = await page.locator("#procedures li").count();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  checks.focus = await page.evaluate(() => document.activeElement.id);
  await page.locator("#search").fill("");

  await page.locator("#args").fill("[9007199254740993,\n 1,]");
  await page.getByRole("button", { name: "Call", exact: true }).click();
  texts.fault = await page.locator("#args-fault").textContent();
  checks.invalid = await page.locator("#args").getAttribute("aria-invalid");
  await page.locator("#args").fill("[9007199254740993, 1]");
  await page.getByRole("radio", { name: "alone" }).check();
  await page.getByRole("button", { name: "Call", exact: true }).click();
  await ended(page);
  texts.call = await page.locator("#result").textContent();

  // A stream, of which something shows while the rest is not there yet.
  await page.getByRole("radio", { name: "as a stream of events" }).check();
  await fill(page, { procedure: "demo.count", args: "[5]", kwargs: '{"delay_ms": 250}' });
  await page.getByRole("button", { name: "Call", exact: true }).click();
  await page.locator('#events [data-name="progress"]').first().waitFor({ timeout: patience });
  checks.live = { state: await page.locator("#status").getAttribute("data-state"), shown: await page.locator('#events [data-name="progress"]').count() };
  await ended(page);
  texts.stream = await page.locator("#events code").allTextContents();
  if (shots) await pictures(page, "call");
  await accessible(page);

  await fill(page, { procedure: "demo.fail", args: '["so"]', kwargs: "{}" });
  await page.getByRole("button", { name: "Call", exact: true }).click();
  texts.failure = await ended(page, "failed");

  // Two cancels that a callee confirms: by hanging up, and with DELETE. The
  // events of the second one break off once.
  for (const [procedure, answer] of [["test.docs.hang", "as a stream of events"], ["test.docs.later", "later: the call outlives its request"]]) {
    await page.getByRole("radio", { name: answer }).check();
    await fill(page, { procedure, args: "[]", kwargs: "{}" });
    if (procedure === "test.docs.later") await page.route("**/calls/*/events", (route) => route.abort(), { times: 1 });
    await page.getByRole("button", { name: "Call", exact: true }).click();
    await page.locator('#events [data-name="progress"]').waitFor({ timeout: patience });
    await page.getByRole("button", { name: "Cancel" }).click();
    texts[procedure] = await ended(page, "canceled");
  }

  await page.getByRole("radio", { name: "alone" }).check();
  await page.locator("#procedure").fill("demo.sha256");
  await page.locator("#file").setInputFiles({ name: "zeros.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(3 << 20) });
  checks.argsDisabled = await page.locator("#args").isDisabled();
  await page.getByRole("button", { name: "Call", exact: true }).click();
  await ended(page);
  texts.upload = await page.locator("#result").textContent();
  texts.sent = await page.locator("#upload-text").textContent();
  if (shots) await pictures(page, "upload");

  // An upload that is answered by a stream, and more events than are shown.
  const lines = Array.from({ length: 101 }, (_, i) => (i % 100 === 0 ? `an error ${i}` : `line ${i}`)).join("\n");
  await page.locator("#file").setInputFiles({ name: "lines.txt", mimeType: "text/plain", buffer: Buffer.from(lines) });
  await page.getByLabel("Cut into").selectOption("lines");
  await page.getByRole("radio", { name: "as a stream of events" }).check();
  await page.locator("#procedure").fill("demo.grep");
  await page.getByRole("button", { name: "Call", exact: true }).click();
  await ended(page);
  texts.lines = (await page.locator('#events [data-name="progress"] code').allTextContents()).join(" ");
  await page.getByRole("button", { name: "Remove it" }).click();
  await fill(page, { procedure: "demo.count", args: "[2000]", kwargs: "{}" });
  await page.getByRole("button", { name: "Call", exact: true }).click();
  await ended(page);
  texts.dropped = await page.locator("#dropped").textContent();
  checks.listed = await page.locator("#events li").count();

  // An upload that is given up.
  await page.locator("#file").setInputFiles({ name: "zeros.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(200 << 10) });
  await page.getByLabel("Cut into").selectOption("chunks");
  await page.locator("#procedure").fill("test.docs.upload");
  await page.getByRole("button", { name: "Call", exact: true }).click();
  await page.locator('#events [data-name="progress"]').waitFor({ timeout: patience });
  await page.getByRole("button", { name: "Cancel" }).click();
  texts.hungUpload = await ended(page, "canceled");
  await page.getByRole("button", { name: "Remove it" }).click();

  // What a callee says of itself is shown, and nothing else.
  await page.locator("#search").fill("hostile");
  texts.hostile = await page.locator("#procedures span").textContent();

  await page.getByRole("link", { name: "Reference" }).click();
  await page.locator(".opblock-summary-path", { hasText: "demo.add" }).first().waitFor({ timeout: patience });
  checks.operations = await page.locator(".opblock").count();
  await page.locator(".opblock-post", { hasText: "demo.add" }).first().locator(".opblock-summary-control").click();
  await page.locator(".opblock-body").waitFor({ timeout: patience });
  if (shots) await pictures(page, "reference");
  await accessible(page);
  await page.locator(".opblock-post", { hasText: "hostile" }).locator(".opblock-summary-control").click();
  await page.locator(".opblock-post", { hasText: "hostile" }).locator(".opblock-body").waitFor();
  texts.title = await page.title();
}

/** Takes pictures of a page as it is, and notes what sticks out of its width. */
async function pictures(page, what) {
  for (const width of [1280, 390]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await page.evaluate(() => scrollTo(0, 0));
      // Colors that change slowly, and one behind the other, are not what one looks for.
      for (let i = 0; i < 3; i++) await page.evaluate(() => Promise.allSettled(document.getAnimations().map((a) => a.finished)));
      await page.screenshot({ path: path.join(shots, `${what}-${width}-${colorScheme}.png`), fullPage: what !== "reference" });
      if (what !== "reference") continue;
      await page.locator(".opblock-body").first().evaluate((body) => body.parentElement.scrollIntoView());
      await page.screenshot({ path: path.join(shots, `operation-${width}-${colorScheme}.png`) });
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

/** Notes what makes our own parts hard to use, by the rules of axe-core, in both schemes. */
async function accessible(page) {
  const axe = fs.readFileSync(path.join(packages, "axe-core", "axe.min.js"), "utf8");
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await page.evaluate(`${axe}; axe.run({exclude: ["#reference"]})`);
    for (const { id, nodes } of violations) seen.faults.push(`${colorScheme}: ${id} at ${nodes.map((n) => n.target)}`);
  }
}

/** Returns how many pixels a page is too wide for a phone. */
async function tooWide(page) {
  await page.setViewportSize({ width: 390, height: 844 });
  const call = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await page.setViewportSize({ width: 1280, height: 900 });
  return call;
}

/** Shows the page of a gateway that asks for credentials, and gives them. */
async function login(page) {
  await page.goto(`${guarded}/docs`);
  await page.locator("#procedures-status", { hasText: "who you are" }).waitFor({ timeout: patience });
  await page.getByText("Credentials:").click();
  await page.getByLabel("Kind").selectOption("basic");
  if (shots) await pictures(page, "credentials");
  await accessible(page);
  await fill(page, { "credentials-name": name, "credentials-secret": secret });
  await page.getByRole("button", { name: "Use" }).click();
  await page.locator("#procedures-status", { hasText: " of " }).waitFor({ timeout: patience });
  await page.getByRole("link", { name: "Reference" }).click();
  await page.locator(".opblock").first().waitFor({ timeout: patience });
  seen.checks.guarded = await page.locator(".opblock").count();
  seen.checks.forgotten = (await page.locator("#credentials-secret").inputValue()) === "";
  seen.checks.stored = await page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length);
}

async function main() {
  const browser = await chromium.launch({ executablePath, args: quiet });
  try {
    seen.browser = browser.version();
    const page = await browser.newPage();
    page.setDefaultTimeout(patience);
    await observe(page, url, /status of 500|ERR_FAILED/); // the call that fails, and the request that is made to
    await steps(page);
    seen.checks.referenceTooWide = await tooWide(page);
    await page.getByRole("link", { name: "Call", exact: true }).click();
    seen.checks.callTooWide = await tooWide(page);
    const other = await browser.newPage();
    other.setDefaultTimeout(patience);
    await observe(other, guarded, /status of 401/);
    await login(other);
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(seen));
}

main().catch((error) => {
  console.error(error, JSON.stringify(seen));
  process.exitCode = 1;
});
