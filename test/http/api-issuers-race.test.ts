import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { makeRobot, register } from "../support/issuers.ts";
import { expectRefusal, expectRefusalRecord } from "../support/refusals.ts";
import { createSigner } from "../support/signer.ts";

let berth: TestBerth;
let issuer: TestIssuer;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

/** Lets whoever asks for the issuer's keys wait. */
async function holdKeys() {
  const { body: keys } = await call(`${issuer.url}/jwks`);
  const waiting: ServerResponse[] = [];
  issuer.answer("/jwks", (_, response) => waiting.push(response));
  return {
    waiting,
    release() {
      issuer.answer("/jwks", undefined);
      for (const response of waiting) {
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(keys));
      }
    },
  };
}

type Bound = { readonly id: string; readonly robot: Awaited<ReturnType<typeof makeRobot>> };
type Change = (bound: Bound) => Promise<unknown>;

/** What is done meanwhile, and why the token is then refused. */
const changes: [string, string, Change][] = [
  ["its issuer is disabled", "issuer_disabled", ({ id }) => berth.api("PATCH", `/issuers/${id}`, { disabled: true })],
  ["its issuer is deleted", "robot_unbound", ({ id }) => berth.api("DELETE", `/issuers/${id}?cascade=true`)],
  [
    "its issuer is given other keys",
    "key_unknown",
    async ({ id }) => {
      const { jwk } = await createSigner(issuer.url);
      return berth.api("PATCH", `/issuers/${id}`, { jwks: { keys: [jwk] } });
    },
  ],
  [
    "its binding is changed",
    "audience_mismatch",
    ({ robot }) => robot.federate({ issuer: issuer.url, subject, audiences: ["other"] }),
  ],
  ["its binding is deleted", "robot_unbound", ({ robot }) => berth.api("DELETE", `${robot.path}/federation`)],
  ["its robot is disabled", "robot_disabled", ({ robot }) => berth.api("PATCH", robot.path, { disabled: true })],
  ["its robot is deleted", "robot_unknown", ({ robot }) => berth.api("DELETE", robot.path)],
];

describe("an exchange that is under way", () => {
  it("goes through when nothing changes meanwhile that matters", async () => {
    const described = await exchangeWhile(({ robot }) => berth.api("PATCH", robot.path, { description: "builds" }));
    expect(described.status).toBe(200);
  });

  it.each(changes)("mints nothing when %s meanwhile, but is judged anew: %s", async (_, code, change) => {
    const answer = await exchangeWhile(change);
    expectRefusal(answer, 400, code === "audience_mismatch" ? code : "token_refused");
    await expectRefusalRecord(berth, answer, code);
  });
});

/** An exchange whose verification waits for keys until something else is done. */
async function exchangeWhile(change: Change) {
  const { id } = await register(berth, issuer.url);
  const robot = await makeRobot(berth, { issuer: issuer.url, issuer_id: id, subject });
  berth.clock.advance(49 * 3600);
  const now = Math.floor(berth.clock.now() / 1000);
  const token = await issuer.sign(berth.url, { iat: now, nbf: now, exp: now + 300 });
  const { waiting, release } = await holdKeys();
  const exchanging = robot.exchange(token);
  await expect.poll(() => waiting.length).toBe(1);
  const before = await newestRecord();
  const changing = change({ id, robot });
  // Some changes ask for the keys as well, and so are answered only once these are there.
  await expect.poll(newestRecord).not.toBe(before);
  release();
  const answer = await exchanging;
  await changing;
  return answer;
}

async function newestRecord(): Promise<string> {
  const { body } = await berth.api("GET", "/logs?limit=1");
  return body.logs[0].id;
}
