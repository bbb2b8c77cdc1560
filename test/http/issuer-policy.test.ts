import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { makeRobot, register } from "../support/issuers.ts";
import { expectProblem } from "../support/problems.ts";
import { askRegistryToken, expectRefusal, expectRefusalRecord } from "../support/refusals.ts";

let issuer: TestIssuer;
let dataDir: string;

beforeAll(async () => {
  issuer = await startIssuer();
  dataDir = await mkdtemp(join(tmpdir(), "berth-policy-"));
});

afterAll(async () => {
  await Promise.all([issuer.close(), rm(dataDir, { recursive: true, force: true })]);
});

describe("where only registered issuers are trusted", () => {
  it("another cannot be bound, and nothing is asked of it", async () => {
    const berth = await startBerth({ environment: { BERTH_ISSUER_POLICY: "registered" } });
    const robot = await makeRobot(berth);
    const refused = await robot.federate({ issuer: issuer.url, subject });
    expectProblem(refused, 400, "invalid");
    expect(refused.body.errors).toEqual([{ path: [0, "issuer"], message: expect.stringMatching(/not registered/) }]);
    expect((await berth.api("GET", "/issuers")).body.issuers).toEqual([]);
    expect(issuer.requests).toEqual([]);

    await register(berth, issuer.url);
    expect((await robot.federate({ issuer: issuer.url, subject })).status).toBe(200);
    expect((await robot.exchange(await issuer.sign(berth.url))).status).toBe(200);
    await berth.remove();
  });

  it("one that a binding opened before is trusted no longer, until it is registered", async () => {
    const port = await freePort();
    const start = (policy: string): Promise<TestBerth> =>
      startBerth({ environment: { BERTH_ISSUER_POLICY: policy }, port, dataDir });
    const open = await start("open");
    const robot = await makeRobot(open, { issuer: issuer.url, subject });
    const token = await issuer.sign(open.url);
    const robotToken = (await robot.exchange(token)).body.token;
    expect((await askRegistryToken(open, "", [robot.name, robotToken])).status).toBe(200);
    await open.stop();

    const strict = await start("registered");
    const refused = await strict.exchange(robot.name, token);
    expectRefusal(refused, 400, "token_refused");
    const { metadata } = await expectRefusalRecord(strict, refused, "issuer_disabled");
    expect(metadata.reason).toEqual({ code: "issuer_disabled", issuer: issuer.url, why: "not_registered" });
    expect((await askRegistryToken(strict, "", [robot.name, robotToken])).status).toBe(401);
    const [binding] = (await strict.api("GET", `${robot.path}/federation`)).body;
    expect(binding.warnings).toEqual([expect.stringMatching(/not registered/)]);
    expectProblem(
      await strict.api("POST", `${robot.path}/federation`, [{ issuer: issuer.url, subject: "x" }]),
      400,
      "invalid",
    );

    await strict.api("PATCH", `/issuers/${binding.issuer_id}`, {});
    expect((await strict.exchange(robot.name, token)).status).toBe(200);
    expect((await askRegistryToken(strict, "", [robot.name, robotToken])).status).toBe(200);
    await strict.stop();
  });
});
