// The page: which part of it shows, and the credentials that both parts use.

import { showCallPage } from "./caller.js";
import { request } from "./call.js";
import { showReference } from "./reference.js";

const $ = (id) => document.getElementById(id);

let credentials = null; // {name, value} of a header field; kept nowhere else

const secretWords = { bearer: "Token", basic: "Ticket or password", key: "API key" };

function kindChanged() {
  const kind = $("credentials-kind").value;
  $("credentials-name-label").hidden = kind !== "basic";
  $("credentials-secret-label").hidden = kind === "none";
  $("credentials-secret-word").textContent = secretWords[kind] ?? "";
}

/** Returns the header field for what was typed, null for none. */
function typedCredentials() {
  const secret = $("credentials-secret").value;
  switch ($("credentials-kind").value) {
    case "bearer":
      return { name: "Authorization", value: `Bearer ${secret}` };
    case "basic": {
      const bytes = new TextEncoder().encode(`${$("credentials-name").value}:${secret}`);
      return { name: "Authorization", value: `Basic ${btoa(String.fromCharCode(...bytes))}` };
    }
    case "key":
      return { name: "X-API-Key", value: secret };
  }
  return null;
}

$("credentials-kind").addEventListener("change", kindChanged);
$("credentials-form").addEventListener("submit", (event) => {
  event.preventDefault();
  credentials = typedCredentials();
  $("credentials-secret").value = "";
  const kind = $("credentials-kind");
  $("credentials-now").textContent = credentials ? kind.selectedOptions[0].textContent : "none";
  $("credentials").open = false;
  callPage.refresh();
  showPage();
});

const callPage = showCallPage(() => credentials);

/** Shows the part that the fragment of the address names. */
function showPage() {
  if (location.hash === "#main") return; // the link for keyboards; the part stays
  const reference = location.hash === "#reference";
  $("call-page").hidden = reference;
  $("reference-page").hidden = !reference;
  for (const [id, current] of [["to-call", !reference], ["to-reference", reference]]) {
    if (current) $(id).setAttribute("aria-current", "page");
    else $(id).removeAttribute("aria-current");
  }
  if (reference) showReference($("reference"), $("reference-status"), (path) => request(path, credentials), () => credentials);
}

addEventListener("hashchange", showPage);
kindChanged();
showPage();
