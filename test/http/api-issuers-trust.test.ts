import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { makeRobot, register } from "../support/issuers.ts";
import { askRegistryToken, expectRefusal, expectRefusalRecord } from "../support/refusals.ts";
import { createSigner } from "../support/signer.ts";

let berth: TestBerth;
const nowhere = "https://cluster.invalid";
const hours = 3600;

beforeAll(async () => {
  berth = await startBerth();
});

afterAll(() => berth.remove());

/** An issuer with an uploaded key, and a robot bound to it. */
async function makeCluster({ alg = "RS256", ...settings }: { alg?: string } & Record<string, unknown> = {}) {
  const signer = await createSigner(nowhere, "key", alg);
  const { id } = await register(berth, nowhere, { jwks: { keys: [signer.jwk] }, ...settings });
  const robot = await makeRobot(berth, { issuer: nowhere, issuer_id: id, subject });
  return { id, signer, robot, exchange: async (claims = {}) => robot.exchange(await signer.sign(berth.url, claims)) };
}

const lifetime = (seconds: number) => {
  const iat = Math.floor(Date.now() / 1000);
  return { iat, nbf: iat, exp: iat + seconds };
};

describe("an issuer with uploaded keys", () => {
  it("is trusted though it is nowhere", async () => {
    const { exchange, robot } = await makeCluster();
    expect((await exchange()).status).toBe(200);
    expect((await robot.bindings())[0].warnings).toEqual([]);
  });

  it("is never asked for anything: when it is registered, bound, refreshed, or shown an unknown kid", async () => {
    const there = await startIssuer();
    const signer = await createSigner(there.url);
    const { id } = await register(berth, there.url, { jwks: { keys: [signer.jwk] } });
    const robot = await makeRobot(berth, { issuer: there.url, subject });
    expect((await robot.exchange(await signer.sign(berth.url))).status).toBe(200);
    const unknown = await robot.exchange(await there.sign(berth.url));
    expectRefusal(unknown, 400, "token_refused");
    await expectRefusalRecord(berth, unknown, "key_unknown");
    berth.clock.advance(48 * hours);
    const refreshed = await berth.api("POST", `/issuers/${id}/refresh`);
    expect(refreshed).toMatchObject({ status: 200, body: { keys: [{ kid: "key", kty: "RSA", problems: {} }] } });
    const { iat, exp } = { iat: berth.clock.now() / 1000, exp: berth.clock.now() / 1000 + 60 };
    expect((await robot.exchange(await signer.sign(berth.url, { iat, nbf: iat, exp }))).status).toBe(200);
    expect(there.requests).toEqual([]);
    berth.clock.advance(-48 * hours);
    await there.close();
  });

  it("takes a new key at once, and the old one no longer", async () => {
    const { id, exchange, robot } = await makeCluster();
    expect((await exchange()).status).toBe(200);
    const next = await createSigner(nowhere, "next");
    expect((await berth.api("PATCH", `/issuers/${id}`, { jwks: { keys: [next.jwk] } })).status).toBe(200);
    await expectRefusalRecord(berth, await exchange(), "key_unknown");
    expect((await robot.exchange(await next.sign(berth.url))).status).toBe(200);
  });
});

describe("an issuer's algorithms", () => {
  it.each(["ES384", "PS256", "EdDSA"])("hold %s where it is named, and not by default", async (alg) => {
    const { id, exchange } = await makeCluster({ alg });
    const refused = await exchange();
    expectRefusal(refused, 400, "token_refused");
    const { metadata } = await expectRefusalRecord(berth, refused, "alg_not_allowed");
    expect(metadata.reason).toMatchObject({ by: "issuer", alg, allowed: ["RS256", "ES256"] });
    expect((await berth.api("PATCH", `/issuers/${id}`, { algorithms: [alg] })).status).toBe(200);
    expect((await exchange()).status).toBe(200);
  });

  it("leave out RS256 where they do not name it", async () => {
    const [rsa, ec] = await Promise.all([createSigner(nowhere), createSigner(nowhere, "ec", "ES384")]);
    const { id } = await register(berth, nowhere, { jwks: { keys: [ec.jwk] }, algorithms: ["ES384"] });
    const robot = await makeRobot(berth, { issuer: nowhere, issuer_id: id, subject });
    expect((await robot.exchange(await ec.sign(berth.url))).status).toBe(200);
    await expectRefusalRecord(berth, await robot.exchange(await rsa.sign(berth.url)), "alg_not_allowed");
  });
});

describe("an issuer's max_token_age", () => {
  it("is a day by default, and two days at most", async () => {
    const { id, exchange } = await makeCluster();
    expect((await exchange(lifetime(24 * hours))).status).toBe(200);
    const refused = await exchange(lifetime(25 * hours));
    expectRefusal(refused, 400, "lifetime_too_long");
    await berth.api("PATCH", `/issuers/${id}`, { max_token_age: 48 * hours });
    expect((await exchange(lifetime(25 * hours))).status).toBe(200);
    expect((await exchange(lifetime(48 * hours))).status).toBe(200);
    expectRefusal(await exchange(lifetime(48 * hours + 1)), 400, "lifetime_too_long");
  });

  it("may be less", async () => {
    const { exchange } = await makeCluster({ max_token_age: 60 });
    expectRefusal(await exchange(), 400, "lifetime_too_long");
    expect((await exchange(lifetime(60))).status).toBe(200);
  });
});

describe("an issuer's audiences and clients", () => {
  it("hold where neither binding nor organization names any", async () => {
    const { exchange } = await makeCluster({ audiences: ["cluster"], clients: ["runner"] });
    expect((await exchange({ aud: "cluster", azp: "runner" })).status).toBe(200);
    expectRefusal(await exchange({ azp: "runner" }), 400, "audience_mismatch");
    expectRefusal(await exchange({ aud: "cluster", azp: "other" }), 400, "client_mismatch");
  });

  it("give way to the organization's, and these to the binding's", async () => {
    const { id, signer, exchange } = await makeCluster({ audiences: ["cluster"], clients: ["runner"] });
    await berth.api("PATCH", "/organization/acme", { audiences: ["acme"], clients: ["acme-runner"] });
    expect((await exchange({ aud: "acme", azp: "acme-runner" })).status).toBe(200);
    expectRefusal(await exchange({ aud: "cluster", azp: "acme-runner" }), 400, "audience_mismatch");
    expectRefusal(await exchange({ aud: "acme", azp: "runner" }), 400, "client_mismatch");
    const own = { issuer: nowhere, issuer_id: id, subject, audiences: ["own"], clients: ["own-runner"] };
    const robot = await makeRobot(berth, own);
    expect((await robot.exchange(await signer.sign("own", { azp: "own-runner" }))).status).toBe(200);
    expectRefusal(await robot.exchange(await signer.sign("acme", { azp: "own-runner" })), 400, "audience_mismatch");
    await berth.api("PATCH", "/organization/acme", { audiences: null, clients: null });
  });

  it("may be a client alone", async () => {
    const { exchange } = await makeCluster({ audiences: [], clients: ["runner"] });
    expect((await exchange({ aud: "whatever", azp: "runner" })).status).toBe(200);
    expectRefusal(await exchange({ azp: "other" }), 400, "client_mismatch");
  });
});

describe("a robot token ends at once", () => {
  it.each<[string, (id: string) => Promise<{ status: number }>, string]>([
    ["disabled", (id) => berth.api("PATCH", `/issuers/${id}`, { disabled: true }), "issuer_disabled"],
    ["deleted with its bindings", (id) => berth.api("DELETE", `/issuers/${id}?cascade=true`), "robot_unbound"],
  ])("when its issuer is %s, and no other is minted", async (_, end, code) => {
    const { id, robot, exchange } = await makeCluster();
    const { token } = (await exchange()).body;
    expect((await askRegistryToken(berth, "", [robot.name, token])).status).toBe(200);
    expect((await end(id)).status).toBeLessThan(300);
    const login = await askRegistryToken(berth, "", [robot.name, token]);
    expect(login.status).toBe(401);
    const { body } = await berth.api("GET", `/logs?request_id=${login.headers.get("x-request-id")}`);
    expect(body.logs).toMatchObject([{ kind: "registry_token", outcome: "refused", code: "credential_revoked" }]);
    const refused = await exchange();
    expectRefusal(refused, 400, "token_refused");
    await expectRefusalRecord(berth, refused, code);
  });

  it("but not that of another issuer", async () => {
    const [one, other] = [await makeCluster(), await makeCluster()];
    const { token } = (await other.exchange()).body;
    await berth.api("PATCH", `/issuers/${one.id}`, { disabled: true });
    expect((await askRegistryToken(berth, "", [other.robot.name, token])).status).toBe(200);
    expect((await other.exchange()).status).toBe(200);
  });
});

describe("an issuer that is disabled", () => {
  it("is not asked for keys, and says so in the binding's warnings", async () => {
    const there = await startIssuer();
    const { id } = await register(berth, there.url);
    const robot = await makeRobot(berth, { issuer: there.url, subject });
    await berth.api("PATCH", `/issuers/${id}`, { disabled: true });
    const asked = there.requests.length;
    const refused = await robot.exchange(await there.sign(berth.url));
    const { metadata } = await expectRefusalRecord(berth, refused, "issuer_disabled");
    expect(metadata.reason).toEqual({ code: "issuer_disabled", issuer: there.url, why: "disabled" });
    expect((await robot.bindings())[0].warnings).toEqual([expect.stringMatching(/disabled/)]);
    expect(there.requests).toHaveLength(asked);
    await berth.api("PATCH", `/issuers/${id}`, { disabled: false });
    expect((await robot.exchange(await there.sign(berth.url))).status).toBe(200);
    await there.close();
  });
});

describe("an issuer that is asked for its keys", () => {
  async function makeAsked(settings: object = {}): Promise<{ there: TestIssuer; id: string; robot: Robot }> {
    const there = await startIssuer();
    const { id } = await register(berth, there.url, settings);
    return { there, id, robot: await makeRobot(berth, { issuer: there.url, subject }) };
  }
  type Robot = Awaited<ReturnType<typeof makeRobot>>;

  it("is asked where jwks_uri says, and nowhere else", async () => {
    const keys = await startIssuer();
    const there = await startIssuer();
    await register(berth, there.url, { jwks_uri: `${keys.url}/jwks` });
    const robot = await makeRobot(berth, { issuer: there.url, subject });
    expect((await robot.exchange(await keys.sign(berth.url, { iss: there.url }))).status).toBe(200);
    expect(keys.requests).toEqual(["/jwks"]);
    expect(there.requests).toEqual([]);
    await Promise.all([keys.close(), there.close()]);
  });

  it("loses an old key at once when it is changed, whatever of it but its name", async () => {
    const { there, id, robot } = await makeAsked();
    const old = await there.sign(berth.url);
    expect((await robot.exchange(old)).status).toBe(200);
    await there.rotate();
    expect((await robot.exchange(old)).status).toBe(200);
    expect((await berth.api("PATCH", `/issuers/${id}`, { name: "rotated" })).status).toBe(200);
    expect((await robot.exchange(old)).status).toBe(200);
    expect((await berth.api("PATCH", `/issuers/${id}`, { max_token_age: 3600 })).status).toBe(200);
    await expectRefusalRecord(berth, await robot.exchange(old), "key_unknown");
    expect((await robot.exchange(await there.sign(berth.url))).status).toBe(200);
    await there.close();
  });

  it("loses an old key and has a new one at once when it is refreshed", async () => {
    const { there, id, robot } = await makeAsked();
    const old = await there.sign(berth.url);
    expect((await robot.exchange(old)).status).toBe(200);
    await there.rotate();
    const { status, body } = await berth.api("POST", `/issuers/${id}/refresh`);
    expect(status).toBe(200);
    expect(body).toEqual({ keys: [{ kid: there.kid, kty: "RSA", problems: { ES256: expect.any(String) } }] });
    await expectRefusalRecord(berth, await robot.exchange(old), "key_unknown");
    expect((await robot.exchange(await there.sign(berth.url))).status).toBe(200);
    await there.close();
  });

  it("goes on being served from what is known when a refresh finds it down", async () => {
    const { there, id, robot } = await makeAsked();
    const token = await there.sign(berth.url);
    expect((await robot.exchange(token)).status).toBe(200);
    await there.close();
    const refreshed = await berth.api("POST", `/issuers/${id}/refresh`);
    expect(refreshed).toMatchObject({ status: 503, body: { code: "issuer_unreachable", status: 503 } });
    expect((await robot.exchange(token)).status).toBe(200);
  });

  it("goes on being served from what a refresh has found when it is down thereafter", async () => {
    const { there, id, robot } = await makeAsked();
    expect((await berth.api("POST", `/issuers/${id}/refresh`)).status).toBe(200);
    const token = await there.sign(berth.url);
    await there.close();
    expect((await robot.exchange(token)).status).toBe(200);
  });
});
