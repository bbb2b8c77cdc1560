import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { callRaw, expectProblem } from "../support/problems.ts";

let berth: TestBerth;
let made = 0;

beforeAll(async () => {
  berth = await startBerth();
});

afterAll(() => berth.remove());

const path = (service: string) => `/registries/${encodeURIComponent(service)}`;
const create = (settings: object) => berth.api("POST", "/registries", settings);
const change = (service: string, settings: object) => berth.api("PATCH", path(service), settings);
const get = (service: string) => berth.api("GET", path(service));

/** The name of a new registry. */
async function newRegistry(settings: object = {}): Promise<string> {
  made += 1;
  const service = `registry-${made}.example`;
  const { status, body } = await create({ service, ...settings });
  expect(status, JSON.stringify(body)).toBe(201);
  return service;
}

const settingNames = [
  "host",
  "issuer",
  "key_profile",
  "rotation_days",
  "token_ttl",
  "fallback_realm",
  "refresh_tokens",
];

describe("what is refused", () => {
  const long = "x".repeat(3000);
  it.each<[string, unknown]>([
    ["host", ""],
    ["host", "https://images.example"],
    ["host", "images.example/path"],
    ["host", "images.example:"],
    ["host", "images.example:123456"],
    ["host", "images.example:99999"],
    ["host", "-images.example"],
    ["host", "images example"],
    ["host", "a\nb"],
    ["host", long],
    ["key_profile", "jwk"],
    ["key_profile", null],
    ["rotation_days", 0],
    ["rotation_days", 1.5],
    ["rotation_days", 1826],
    ["rotation_days", "7"],
    ["token_ttl", 59],
    ["token_ttl", 3601],
    ["token_ttl", "900"],
    ["token_ttl", 60.5],
    ["issuer", ""],
    ["issuer", "a\nb"],
    ["issuer", "x".repeat(601)],
    ["fallback_realm", ""],
    ["fallback_realm", "people.example/token"],
    ["fallback_realm", "ftp://people.example/token"],
    ["fallback_realm", "javascript:alert(1)"],
    ["fallback_realm", "http://people.example/token"],
    ["fallback_realm", "https://user@people.example/token"],
    ["fallback_realm", "https://:secret@people.example/token"],
    ["fallback_realm", "https://people.example/token#x"],
    ["fallback_realm", `https://people.example/${long}`],
    ["refresh_tokens", "true"],
    ["refresh_tokens", null],
    ["service_", "x"],
    ["default", true],
    ["realm", "https://else.example"],
  ])("for %s is %j, by name, and nothing changes", async (name, value) => {
    const service = await newRegistry();
    const before = (await get(service)).body;
    made += 1;
    for (const answer of [
      await create({ service: `new-${made}.example`, [name]: value }),
      await change(service, { [name]: value }),
    ]) {
      expectProblem(answer, 400, "invalid");
      expect(JSON.stringify(answer.body.errors)).toContain(name);
    }
    expect((await get(service)).body).toEqual(before);
    expectProblem(await get(`new-${made}.example`), 404, "not_found");
  });

  it.each(["", " ", "a b", 'a"b', "a\\b", "a\u0000b", "a\nb", "ä", "x".repeat(256), null, 7, undefined])(
    "for service is %j",
    async (service) => {
      expectProblem(await create({ service }), 400, "invalid");
    },
  );

  it.each([".", ".."])("for service is %j, which no URL could name", async (service) => {
    expectProblem(await create({ service }), 400, "invalid");
  });

  it("is a change of the service, or of whether it is the default one", async () => {
    for (const sent of [{ service: "x" }, { default: false }]) {
      expectProblem(await change(berth.host, sent), 400, "invalid");
    }
  });

  it("is all that is wrong, told at once", async () => {
    const answer = await create({ service: "a b", host: "/", issuer: "a\nb", fallback_realm: berth.url });
    const paths = answer.body.errors.map((problem: { path: string[] }) => problem.path);
    expect(paths).toEqual([["service"], ["host"], ["issuer"], ["fallback_realm"]]);
  });

  it("is a fallback realm that leads back here", async () => {
    for (const realm of [berth.url, `${berth.url}/v2/auth`, `${berth.url.toUpperCase()}/auth`]) {
      const { errors } = (await create({ service: "loop.example", fallback_realm: realm })).body;
      expect(errors).toEqual([{ path: ["fallback_realm"], message: expect.stringMatching(/another token server/) }]);
    }
  });
});

describe("any service that is taken", () => {
  it("can be asked for, changed and deleted, and its certificates fetched", async () => {
    const text = fc.oneof(
      fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 12 }),
      fc.constantFrom(
        "a/b",
        "%",
        "%zz",
        "%2F",
        "%25",
        "..%2f",
        "a?b",
        "a#b",
        "a+b",
        "/",
        "//",
        "a/..",
        "config",
        "~",
        "*",
      ),
    );
    await fc.assert(
      fc.asyncProperty(text, async (service) => {
        const answer = await create({ service });
        if (answer.status === 400) {
          expectProblem(answer, 400, answer.body.code);
          return;
        }
        expect(answer.body.service).toBe(service);
        expect((await get(service)).body.service).toBe(service);
        expect((await change(service, { token_ttl: 300 })).body.token_ttl).toBe(300);
        expect((await call(`${berth.url}${path(service)}/certs.pem`)).body).toMatch(/^-----BEGIN CERTIFICATE/);
        const token = await call(`${berth.url}/v2/auth?service=${encodeURIComponent(service)}&scope=repository:a:pull`);
        expect(token.body.expires_in).toBe(300);
        expect((await berth.api("DELETE", path(service))).status).toBe(204);
      }),
      { numRuns: 60 },
    );
  });
});

describe("any body", () => {
  const value = fc.oneof(
    fc.jsonValue(),
    fc.string({ unit: "binary" }),
    fc.constantFrom("\u0000", "\ud800", "__proto__", 1e308, -1, 2 ** 53, "https://x", "x5c", "kid", true),
  );
  const names = [...settingNames, "service", "authority", "compromised", "force", "__proto__"];
  const almost = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), value, { maxKeys: 4 });
  const authority = fc.record({ authority: fc.dictionary(fc.constantFrom("certificates", "private_key"), value) });
  const text = fc.oneof(
    fc.oneof(almost, authority, fc.jsonValue()).map((one) => JSON.stringify(one)),
    fc.string({ unit: "binary" }),
  );

  it.each([
    ["POST", () => "/registries"],
    ["PATCH", () => path("hostile.example")],
    ["POST", () => `${path("hostile.example")}/rotate`],
    ["POST", () => "/keys/rotate"],
  ])("%s %s answers it without breaking", async (method, at) => {
    await create({ service: "hostile.example" });
    await fc.assert(
      fc.asyncProperty(text, async (sent) => {
        const { status, body } = await callRaw(berth, method, at(), sent);
        expect([200, 201, 400, 409], JSON.stringify(body)).toContain(status);
      }),
      { numRuns: 100 },
    );
    expect((await get("hostile.example")).status).toBe(200);
  });
});
