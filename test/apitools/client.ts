// Calls a gateway with the clients that two generators made of its document.
// The types of arguments and results are those of the document: "tsc" is half
// of the test.
import assert from "node:assert/strict";

import createClient from "openapi-fetch";

import type { paths } from "./gen/types";
import { client as generated } from "./gen/hey/client.gen";
import { demoAdd, demoGreet, procedures } from "./gen/hey/sdk.gen";

async function main(baseUrl: string): Promise<void> {
  const client = createClient<paths>({ baseUrl });
  const sum = await client.POST("/call/demo.add", { body: [2, 3] });
  assert.equal(sum.data, 5);
  const refused = await client.POST("/call/demo.add", { body: ["two"] as unknown as number[] });
  assert.equal(refused.response.status, 422);
  const health = await client.GET("/healthz", { parseAs: "text" });
  assert.equal(health.data, "ok\n");

  generated.setConfig({ baseUrl });
  const again = await demoAdd({ body: [4, 5] });
  assert.equal(again.data, 9);
  const greeting = await demoGreet({ body: { name: "Ada" } });
  assert.equal(greeting.data, "Hello, Ada");
  const list = await procedures({ query: { limit: 3 } });
  assert.equal(list.data?.procedures.length, 3);
  console.log("both clients called");
}

void main(process.argv[2]!);
