import { afterAll, beforeAll, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { expectProblem } from "../support/problems.ts";

/** A misspelt parameter must not apply what was only to be told, or keep what was to be deleted with the rest. */

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
  await berth.createRobot("acme+ci");
});

afterAll(() => berth.remove());

const typos = [
  "dryrun=true",
  "dry-run=true",
  "Dry_run=true",
  "dry_run=True",
  "dry_run=1",
  "dry_run=",
  "dry_run",
  "x=1",
];

it.each(typos)("a state is not applied with ?%s", async (query) => {
  const before = (await berth.api("GET", "/state")).body;
  for (const [path, document] of [
    ["/organization/acme/state", { settings: { email: "typo@example.com" } }],
    ["/state", { principals: { typo: {} } }],
  ] as const) {
    expectProblem(await berth.api("PUT", `${path}?${query}`, document), 400, "invalid");
    expectProblem(await berth.api("PUT", `${path}?dry_run=false&${query}`, document), 400, "invalid");
  }
  expect((await berth.api("GET", "/state")).body).toEqual(before);
});

it.each(["cascade=yes", "cascade", "Cascade=true", "cascading=true", "force=true"])(
  "nothing is deleted with ?%s",
  async (query) => {
    const { body: issuer } = await berth.api("POST", "/issuers", { issuer: `https://${query.length}.example` });
    expect((await berth.api("POST", "/registries", { service: `${query.length}.example` })).status).toBe(201);
    for (const path of [`/issuers/${issuer.id}`, `/registries/${query.length}.example`]) {
      expectProblem(await berth.api("DELETE", `${path}?${query}`), 400, "invalid");
      expect((await berth.api("GET", path)).status).toBe(200);
      expect((await berth.api("DELETE", `${path}?cascade=true`)).status).toBe(204);
    }
  },
);
