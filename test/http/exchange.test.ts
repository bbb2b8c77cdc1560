import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { type CiPlatform, startCiPlatform } from "../support/provider.ts";

const job = "repo:acme/app:ref:refs/heads/main";
let berth: TestBerth;
let platform: CiPlatform;

beforeAll(async () => {
  [berth, platform] = await Promise.all([startBerth(), startCiPlatform([job])]);
  await berth.createRobot("acme+ci", {
    federation: [{ issuer: platform.issuer, subject: job }],
    grants: [{ repository: "acme/*", actions: ["pull", "push"] }],
  });
});

afterAll(async () => {
  await Promise.all([berth.remove(), platform.close()]);
});

describe("the exchange", () => {
  it("trades a job's token for a robot token by Quay's route", async () => {
    const { status, body, headers } = await berth.exchange("acme+ci", await platform.tokenFor(job, berth.url));
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { token_type: "Bearer", expires_in: 3600, robot: "acme+ci" },
    });
    expect(headers.get("cache-control")).toBe("no-store");
    expect(body.access_token).toBe(body.token);
    expect(decodeProtectedHeader(body.token)).toMatchObject({ alg: "ES256", typ: "berth-robot+jwt" });
    expect(decodeJwt(body.token)).toMatchObject({ iss: berth.url, sub: "acme+ci", aud: `${berth.url}/v2/auth` });
  });

  it("gives the robot token a registry token for what is asked and held", async () => {
    const { body } = await berth.exchange("acme+ci", await platform.tokenFor(job, berth.url));
    const answer = await call(
      `${berth.url}/v2/auth?service=${berth.host}&scope=repository:acme/app:pull,push,delete&scope=repository:other/app:pull`,
      { headers: { authorization: basic("acme+ci", body.token) } },
    );
    expect(answer.status).toBe(200);
    expect(decodeJwt(answer.body.token)).toMatchObject({
      aud: berth.host,
      sub: "acme+ci",
      access: [{ type: "repository", name: "acme/app", actions: ["pull", "push"] }],
    });
  });
});
