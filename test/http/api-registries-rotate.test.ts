import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAuthority } from "../support/authorities.ts";
import { type ApiAnswer, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { expectProblem } from "../support/problems.ts";
import { askRegistryToken } from "../support/refusals.ts";

let berth: TestBerth;
let issuer: TestIssuer;
let made = 0;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth({ environment: { LOG_LEVEL: "debug" } }), startIssuer()]);
  await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
});

afterAll(() => Promise.all([berth.remove(), issuer.close()]));

const days = 24 * 3600;
const path = (service: string) => `/registries/${encodeURIComponent(service)}`;
const rotate = (service: string, body?: object) => berth.api("POST", `${path(service)}/rotate`, body);

async function newRegistry(settings: object = {}): Promise<string> {
  made += 1;
  const service = `rotate-${made}.example`;
  expect((await berth.api("POST", "/registries", { service, ...settings })).status).toBe(201);
  return service;
}

type Key = { readonly purpose: string; readonly status: string; readonly kid: string; readonly profile: string | null };
const keyOf = ({ body }: ApiAnswer, purpose: string, status: string): string =>
  body.keys.find((key: Key) => key.purpose === purpose && key.status === status)?.kid;
const get = (service: string) => berth.api("GET", path(service));
const certificates = async (service: string): Promise<string> =>
  (await call(`${berth.url}${path(service)}/certs.pem`)).body;
const jwks = async (service: string): Promise<string[]> =>
  (await call(`${berth.url}${path(service)}/jwks.json`)).body.keys.map(({ kid }: { kid: string }) => kid);
const recordOf = async ({ headers }: ApiAnswer) =>
  (await berth.api("GET", `/logs?request_id=${headers.get("x-request-id")}`)).body.logs;

describe("POST /registries/{service}/rotate", () => {
  it.each([undefined, {}, { force: false }, { authority: false, compromised: false }])(
    "with %j puts the next signing key in the active one's place",
    async (body) => {
      const service = await newRegistry();
      const [before, exported] = [await get(service), await certificates(service)];
      const answer = await rotate(service, body);
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual((await get(service)).body);
      expect(keyOf(answer, "signing", "active")).toBe(keyOf(before, "signing", "next"));
      expect(keyOf(answer, "signing", "retired")).toBe(keyOf(before, "signing", "active"));
      expect(keyOf(answer, "authority", "active")).toBe(keyOf(before, "authority", "active"));
      expect(await certificates(service)).toBe(exported);
      expect(await recordOf(answer)).toMatchObject([
        { kind: "rotate_keys", outcome: "success", metadata: { service, authority: false, compromised: false } },
      ]);
    },
  );

  it("can be done as often as one likes with the x5c profile, which no registry has to know of", async () => {
    const service = await newRegistry();
    for (let turn = 0; turn < 3; turn += 1) expect((await rotate(service, {})).status).toBe(200);
  });

  it("turns the authority together with its leaf, once, and then not before the registry can know the next", async () => {
    const service = await newRegistry();
    const before = await get(service);
    const first = await rotate(service, { authority: true });
    expect(keyOf(first, "authority", "active")).toBe(keyOf(before, "authority", "next"));
    expect(keyOf(first, "signing", "active")).toBe(keyOf(before, "signing", "next"));
    expect((await certificates(service)).match(/BEGIN CERTIFICATE/g)).toHaveLength(3);
    const early = await rotate(service, { authority: true });
    expect(expectProblem(early, 409, "conflict")).toMatch(
      /restart it, then send \{"force": true\}; or rotate after \d{4}-/,
    );
    expect((await get(service)).body).toEqual(first.body);
    const forced = await rotate(service, { authority: true, force: true });
    expect(keyOf(forced, "authority", "active")).toBe(keyOf(first, "authority", "next"));
  });

  it("turns named keys no earlier than a day after they were published, or by force", async () => {
    const service = await newRegistry({ key_profile: "kid" });
    const before = await get(service);
    const first = await rotate(service, {});
    expect(keyOf(first, "signing", "active")).toBe(keyOf(before, "signing", "next"));
    expect((await jwks(service)).sort()).toEqual(first.body.keys.map(({ kid }: Key) => kid).sort());
    expectProblem(await rotate(service, {}), 409, "conflict");
    expect((await get(service)).body).toEqual(first.body);
    expect((await rotate(service, { force: true })).status).toBe(200);
    expectProblem(await rotate(service, {}), 409, "conflict");
    berth.clock.advance(days + 1);
    expect((await rotate(service, {})).status).toBe(200);
    berth.clock.advance(-days - 1);
  });

  it("has no authority to turn with named keys alone", async () => {
    const service = await newRegistry({ key_profile: "kid" });
    for (const body of [{ authority: true }, { authority: true, force: true }]) {
      expect(expectProblem(await rotate(service, body), 409, "conflict")).toMatch(/rotate without authority/);
    }
  });

  it("moves to another key profile in steps, and says meanwhile what to do", async () => {
    const service = await newRegistry();
    const changed = await berth.api("PATCH", path(service), { key_profile: "kid" });
    const told = [expect.stringMatching(/found by x5c still.*restart it.*\{"force": true\}/)];
    expect(changed.body).toMatchObject({ key_profile: "kid", warnings: told });
    expect((await get(service)).body.warnings).toEqual(told);
    expect(await jwks(service)).toEqual([keyOf(changed, "signing", "next")]);
    expectProblem(await rotate(service, {}), 409, "conflict");
    const rotated = await rotate(service, { force: true });
    expect(rotated.body).toMatchObject({ warnings: [] });
    expect(keyOf(rotated, "signing", "active")).toBe(keyOf(changed, "signing", "next"));
  });

  it.each(["x5c", "kid"])("of leaked keys leaves none of them, with the %s profile", async (key_profile) => {
    const service = await newRegistry({ key_profile });
    await rotate(service, {});
    const [before, exported, named] = [await get(service), await certificates(service), await jwks(service)];
    const answer = await rotate(service, { compromised: true });
    expect(answer.status).toBe(200);
    const statuses = new Map(answer.body.keys.map(({ kid, status }: Key) => [kid, status]));
    for (const { kid } of before.body.keys) expect(statuses.get(kid)).toBe("revoked");
    for (const name of await jwks(service)) expect(named).not.toContain(name);
    const blocks = exported.split(/(?<=END CERTIFICATE-----\n)/);
    for (const one of blocks) expect(await certificates(service)).not.toContain(one);
    expect(await recordOf(answer)).toMatchObject([{ metadata: { compromised: true } }]);
  });

  it("of leaked keys ends registry tokens at Berth's own door at once", async () => {
    const anonymous = async () => (await askRegistryToken(berth, "scope=repository:a:pull")).body.token;
    const base = (token: string) => call(`${berth.url}/v2/`, { headers: { authorization: `Bearer ${token}` } });
    const [token, kept] = [await anonymous(), await anonymous()];
    await rotate(berth.host, {});
    expect((await base(kept)).status).toBe(200);
    await rotate(berth.host, { compromised: true });
    expect([(await base(token)).status, (await base(kept)).status]).toEqual([401, 401]);
    expect((await base(await anonymous())).status).toBe(200);
  });

  it.each<[unknown, string[]]>([
    [{ authority: true, compromised: true }, ["authority"]],
    [{ authority: "yes" }, ["authority"]],
    [{ authority: {} }, ["authority"]],
    [{ authority: { certificates: "x" } }, ["authority"]],
    [{ authority: { certificates: "", private_key: "" } }, ["authority", "certificates"]],
    [{ authority: { certificates: "x", private_key: "y", z: 1 } }, ["authority"]],
    [{ authority: { certificates: "x", private_key: 7 } }, ["authority"]],
    [{ compromised: "true" }, ["compromised"]],
    [{ compromised: 1 }, ["compromised"]],
    [{ force: null }, ["force"]],
    [{ forced: true }, []],
    [[], []],
    ["x", []],
  ])("refuses %j by name, and turns nothing", async (body, at) => {
    const before = (await get(berth.host)).body;
    const answer = await rotate(berth.host, body as object);
    expectProblem(answer, 400, "invalid");
    expect(answer.body.errors.map((problem: { path: string[] }) => problem.path)).toEqual([at]);
    expect((await get(berth.host)).body).toEqual(before);
  });
});

describe("an authority of one's own", () => {
  it("is taken as the next one, and its private key is in no log, record or answer", async () => {
    const service = await newRegistry();
    const until = berth.clock.now() + 4000 * days * 1000;
    const root = await createAuthority({ commonName: "Root", until });
    const own = await createAuthority({ by: root, until: until - 1000 * days * 1000 });
    const authority = { certificates: own.pem + root.pem, private_key: own.privateKey };
    const answer = await rotate(service, { authority });
    expect(answer.status).toBe(200);
    expect(await certificates(service)).toContain(root.pem);
    expect(await certificates(service)).not.toContain(own.pem);
    const wrong = await rotate(service, { authority: { ...authority, certificates: root.pem } });
    expect(wrong.body.errors).toMatchObject([{ path: ["authority", "private_key"] }]);
    const records = await recordOf(answer);
    expect(records).toMatchObject([{ metadata: { service, authority: "brought", compromised: false } }]);
    expectProblem(await rotate(service, { authority: true }), 409, "conflict");
    expect((await rotate(service, { authority: true, force: true })).status).toBe(200);

    const told = JSON.stringify([answer.body, wrong.body, records, berth.log, (await get(service)).body]);
    for (const line of own.privateKey.split("\n").filter((one) => one.length > 20 && !one.startsWith("-"))) {
      expect(told).not.toContain(line);
    }
    expect(told).not.toContain("PRIVATE KEY");
  });

  it("is refused when it is longer than any is", async () => {
    for (const name of ["certificates", "private_key"]) {
      const authority = { certificates: "x", private_key: "y", [name]: "x".repeat(70_000) };
      expectProblem(await rotate(berth.host, { authority }), 400, "invalid");
    }
  });

  it("is refused where keys are found by name", async () => {
    const service = await newRegistry({ key_profile: "kid" });
    const own = await createAuthority({ until: berth.clock.now() + 4000 * days * 1000 });
    const authority = { certificates: own.pem, private_key: own.privateKey };
    expectProblem(await rotate(service, { authority }), 409, "conflict");
    expect((await get(service)).body.keys).toHaveLength(2);
  });
});

describe("POST /keys/rotate", () => {
  const exchange = async (): Promise<string> =>
    (await berth.exchange("acme+ci", await issuer.sign(berth.url))).body.token;
  const login = async (token: string) => (await askRegistryToken(berth, "", ["acme+ci", token])).status;
  const published = async (): Promise<string[]> =>
    (await call(`${berth.url}/.well-known/jwks.json`)).body.keys.map(({ kid }: { kid: string }) => kid);

  it("leaves robot tokens good, and signs with a key that was published before", async () => {
    const [token, known] = [await exchange(), await published()];
    const answer = await berth.api("POST", "/keys/rotate", {});
    expect(answer.status).toBe(200);
    expect(known).toContain(answer.body.kid);
    expect(JSON.parse(Buffer.from((await exchange()).split(".")[0] ?? "", "base64url").toString()).kid).toBe(
      answer.body.kid,
    );
    expect(await login(token)).toBe(200);
    expect((await berth.api("POST", "/keys/rotate")).status).toBe(200);
    expect(await login(token)).toBe(200);
    expect(await recordOf(answer)).toMatchObject([{ kind: "rotate_keys", metadata: { compromised: false } }]);
  });

  it("ends all robot tokens at once when the key leaked", async () => {
    const tokens = [await exchange()];
    await berth.api("POST", "/keys/rotate", {});
    tokens.push(await exchange());
    const known = await published();
    const answer = await berth.api("POST", "/keys/rotate", { compromised: true });
    expect(known).not.toContain(answer.body.kid);
    expect(await Promise.all(tokens.map(login))).toEqual([401, 401]);
    for (const kid of await published()) expect(known).not.toContain(kid);
    expect(await login(await exchange())).toBe(200);
  });

  it.each([{ compromised: "yes" }, { force: true }, { compromised: null }, []])("refuses %j", async (body) => {
    const before = await published();
    expectProblem(await berth.api("POST", "/keys/rotate", body), 400, "invalid");
    expect(await published()).toEqual(before);
  });
});
