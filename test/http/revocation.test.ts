import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { askRegistryToken, expectRefusal } from "../support/refusals.ts";

let berth: TestBerth;
let issuer: TestIssuer;
let made = 0;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

/** A robot of its own with a robot token, and what a test does with it. */
async function mintFor(given: object = {}) {
  made += 1;
  const name = `acme+robot-${made}`;
  const path = `/organization/acme/robots/robot-${made}`;
  const entry = { issuer: issuer.url, subject, ...given };
  await berth.createRobot(name, { federation: [entry] });
  const { body } = await berth.exchange(name, await issuer.sign(berth.url));
  const token: string = body.token;
  return {
    path,
    entry,
    token,
    federate: (entries: unknown) => berth.api("POST", `${path}/federation`, entries),
    login: () => askRegistryToken(berth, "", [name, token]),
    exchange: async () => berth.exchange(name, await issuer.sign(berth.url)),
  };
}

type Minted = Awaited<ReturnType<typeof mintFor>>;

describe("a robot token ends at once", () => {
  const ends: [string, object, (minted: Minted) => Promise<{ status: number }>][] = [
    ["when its binding is cleared by an empty list", {}, ({ federate }) => federate([])],
    ["when its binding is deleted", {}, ({ path }) => berth.api("DELETE", `${path}/federation`)],
    ["when its pair is no longer listed", {}, ({ federate, entry }) => federate([{ ...entry, subject: "other" }])],
    [
      "when its binding is given a condition",
      {},
      ({ federate, entry }) => federate([{ ...entry, claims: { ref: { equals: "x" } } }]),
    ],
    [
      "when its binding is given another audience",
      {},
      ({ federate, entry }) => federate([{ ...entry, audiences: ["x"] }]),
    ],
    [
      "when its binding is narrowed",
      {},
      ({ federate, entry }) => federate([{ ...entry, scope: "repository:acme/a:pull" }]),
    ],
    ["when its binding goes into audit mode", {}, ({ federate, entry }) => federate([{ ...entry, mode: "audit" }])],
    [
      "when its binding loses a condition",
      { clients: [] },
      ({ federate, entry }) => federate([{ ...entry, clients: null }]),
    ],
    ["when its robot is disabled", {}, ({ path }) => berth.api("PATCH", path, { disabled: true })],
    ["when its robot is deleted", {}, ({ path }) => berth.api("DELETE", path)],
  ];

  it.each(ends)("%s", async (_, given, end) => {
    const minted = await mintFor(given);
    expect((await minted.login()).status).toBe(200);
    expect((await end(minted)).status).toBeLessThan(300);
    const answer = await minted.login();
    expect(answer.status).toBe(401);
    expect(answer.body.errors[0]).toMatchObject({ code: "UNAUTHORIZED", message: expect.stringMatching(/was ended/) });
    const { body } = await berth.api("GET", `/logs?request_id=${answer.headers.get("x-request-id")}`);
    expect(body.logs).toMatchObject([{ kind: "registry_token", outcome: "refused", code: "credential_revoked" }]);
  });

  it("when its organization is deleted", async () => {
    await berth.createRobot("doomed+ci", { federation: [{ issuer: issuer.url, subject }] });
    const { body } = await berth.exchange("doomed+ci", await issuer.sign(berth.url));
    expect((await askRegistryToken(berth, "", ["doomed+ci", body.token])).status).toBe(200);
    await berth.api("DELETE", "/organization/doomed");
    expect((await askRegistryToken(berth, "", ["doomed+ci", body.token])).status).toBe(401);
  });

  it("and stays ended when a robot of the same name is bound again", async () => {
    const { path, federate, entry, login, exchange } = await mintFor();
    await berth.api("DELETE", path);
    await berth.api("PUT", path, {});
    await federate([entry]);
    expect((await login()).status).toBe(401);
    expect((await exchange()).status).toBe(200);
  });

  it("and stays ended when its binding is what it was again", async () => {
    const { federate, entry, login } = await mintFor();
    await federate([{ ...entry, audiences: ["x"] }]);
    await federate([{ ...entry, audiences: null }]);
    expect((await login()).status).toBe(401);
  });
});

describe("a robot token stays good", () => {
  const keeps: [string, object, (minted: Minted) => Promise<{ status: number }>][] = [
    ["when Quay's client sends its list again", {}, ({ federate, entry }) => federate([entry])],
    [
      "when Quay's interface does, with its own mark",
      {},
      ({ federate, entry }) => federate([{ ...entry, isExpanded: true }]),
    ],
    [
      "when Quay's client sends issuer and subject of a binding with conditions",
      { clients: [] },
      ({ federate }) => federate([{ issuer: issuer.url, subject }]),
    ],
    [
      "when another pair is listed before it",
      {},
      ({ federate, entry }) => federate([{ ...entry, subject: "other" }, entry]),
    ],
    ["when its binding is described", {}, ({ federate, entry }) => federate([{ ...entry, description: "main" }])],
    [
      "when its list is sent back as it was read",
      { description: "x" },
      async ({ path, federate }) => federate((await berth.api("GET", `${path}/federation`)).body),
    ],
    ["when its robot is described", {}, ({ path }) => berth.api("PATCH", path, { description: "builds" })],
    ["when its robot's grants change", {}, ({ path }) => berth.api("PUT", `${path}/grants`, [])],
    [
      "when its federation is refused",
      {},
      async ({ federate, entry }) => {
        expect((await federate([{ ...entry, subject: "" }])).status).toBe(400);
        return { status: 200 };
      },
    ],
  ];

  it.each(keeps)("%s", async (_, given, keep) => {
    const minted = await mintFor(given);
    expect((await keep(minted)).status).toBeLessThan(300);
    expect((await minted.login()).status).toBe(200);
  });
});

describe("a token that Berth signed", () => {
  it("is no OIDC token: the exchange takes neither a robot token nor a registry token", async () => {
    const { token, login } = await mintFor();
    const registryToken = (await login()).body.token;
    for (const own of [token, registryToken]) {
      const answer = await berth.exchange(`acme+robot-${made}`, own);
      expect(answer.status).toBe(400);
      expectRefusal(answer, 400, answer.body.code);
    }
  });

  it("is no API token", async () => {
    const { token, login } = await mintFor();
    for (const own of [token, (await login()).body.token]) {
      const { status } = await call(`${berth.url}/api/v1/user/`, { headers: { authorization: `Bearer ${own}` } });
      expect(status).toBe(401);
    }
  });

  it.each(["", "/", "/realms/x"])(
    "cannot be made good by a binding: an issuer at PUBLIC_URL%s is refused",
    async (path) => {
      const { federate } = await mintFor();
      for (const more of [{}, { audiences: ["x"] }]) {
        const answer = await federate([{ issuer: berth.url + path, subject: "acme+ci", ...more }]);
        expect(answer.status).toBe(400);
        expect(answer.body.errors).toEqual([{ path: [0, "issuer"], message: "must not be this service itself" }]);
      }
    },
  );
});
