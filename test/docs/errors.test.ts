import { readdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Refusal } from "../../src/domain/refusal.ts";
import { tellCaller } from "../../src/errors.ts";
import type { TokenRefusal } from "../../src/http/registry.ts";
import { type ApiAnswer, basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { askRegistryToken, exchangeByForm } from "../support/refusals.ts";

type Refusals = { readonly [Code in Refusal["code"]]: readonly Extract<Refusal, { code: Code }>[] };

const issuerName = "https://ci.example";
const retryAfter = 1;

/** Every refusal that there is, in each way in which it is told. */
const refusals: Refusals = {
  credential_missing: [{ code: "credential_missing" }],
  credential_unreadable: [{ code: "credential_unreadable", detail: "" }],
  token_too_large: [{ code: "token_too_large", part: "token", bytes: 2, limit: 1 }],
  token_malformed: [{ code: "token_malformed", detail: "" }],
  token_json_invalid: [{ code: "token_json_invalid", part: "header", detail: "" }],
  header_not_allowed: [{ code: "header_not_allowed", parameter: "typ", detail: "" }],
  alg_not_allowed: [
    { code: "alg_not_allowed", by: "format", alg: "none", allowed: [] },
    { code: "alg_not_allowed", by: "issuer", alg: "PS256", allowed: [] },
  ],
  kid_missing: [{ code: "kid_missing" }],
  claim_invalid: [{ code: "claim_invalid", claim: "exp", detail: "" }],
  robot_unknown: [{ code: "robot_unknown" }],
  robot_disabled: [{ code: "robot_disabled" }],
  robot_unbound: [
    { code: "robot_unbound", auditOnly: false },
    { code: "robot_unbound", auditOnly: true },
  ],
  issuer_unbound: [{ code: "issuer_unbound", issuer: issuerName }],
  issuer_disabled: [{ code: "issuer_disabled", issuer: issuerName, why: "not_registered" }],
  issuer_unreachable: [{ code: "issuer_unreachable", issuer: issuerName, detail: "", retryAfter }],
  issuer_keys_invalid: [{ code: "issuer_keys_invalid", issuer: issuerName, detail: "", retryAfter }],
  key_unknown: [{ code: "key_unknown", kid: "k" }],
  key_unusable: [{ code: "key_unusable", kid: "k", detail: "" }],
  signature_invalid: [{ code: "signature_invalid" }],
  expired: [{ code: "expired", exp: 1, now: 2 }],
  not_yet_valid: [{ code: "not_yet_valid", nbf: 2, now: 1 }],
  issued_in_future: [{ code: "issued_in_future", iat: 2, now: 1 }],
  lifetime_too_long: [{ code: "lifetime_too_long", seconds: 2, limit: 1 }],
  audience_mismatch: [{ code: "audience_mismatch", expected: [], found: [] }],
  client_mismatch: [{ code: "client_mismatch", expected: [], found: [] }],
  subject_mismatch: [{ code: "subject_mismatch", expected: "a", found: "b" }],
  claim_mismatch: [{ code: "claim_mismatch", claim: "ref", expected: "a", found: "b" }],
  binding_expired: [{ code: "binding_expired", at: 1, now: 2 }],
  scope_invalid: [{ code: "scope_invalid", scope: "x", detail: "" }],
  replayed: [{ code: "replayed", jti: "j", at: 1, requestId: "r" }],
  trust_changed: [{ code: "trust_changed", retryAfter }],
  rate_limited: [{ code: "rate_limited", by: "address", retryAfter }],
};

/** The codes of the token endpoint's records that the exchange has not. */
const registryCodes: Readonly<Record<Exclude<TokenRefusal["code"], Refusal["code"]>, true>> = {
  service_unknown: true,
  fallback_unreachable: true,
  credential_invalid: true,
  credential_expired: true,
  credential_revoked: true,
};

const httpCodes = ["request_invalid", "target_invalid", "body_too_large", "method_not_allowed", "not_found", "invalid"];
const managementCodes = ["unauthenticated", "forbidden", "conflict", "already_exists", "precondition_failed"];
const serviceCodes = ["unavailable", "internal"];
const codes = [
  ...Object.keys(refusals),
  ...Object.keys(registryCodes),
  ...httpCodes,
  ...managementCodes,
  ...serviceCodes,
  "token_refused",
  "granted",
];

const folder = new URL("../../docs/errors/", import.meta.url);
const read = (page: string) => readFile(new URL(`${page}.md`, folder), "utf8");

/** What a page says that is told, as "status code": by the exchange, and by the token endpoint. */
async function told(code: string): Promise<{ exchange: string[]; registry: string[] }> {
  const line = /^Told: (.*)$/m.exec(await read(code))?.[1] ?? "";
  const [exchange = "", registry = ""] = line.split("at the registry token endpoint");
  const statuses = (part: string) =>
    [...part.matchAll(/(\d{3})(?: \[?`(\w+)`)?/g)].map(([, ...one]) => one.join(" ").trim());
  return { exchange: statuses(exchange), registry: statuses(registry) };
}

describe("the pages about refusals", () => {
  it("are one for each code, and no others", async () => {
    const pages = (await readdir(folder)).filter((name) => name !== "README.md");
    expect(pages.sort()).toEqual(codes.map((code) => `${code}.md`).sort());
  });

  it("are all in the index", async () => {
    const listed = [...(await read("README")).matchAll(/\[`(\w+)`\]\((\w+)\.md\)/g)].map(([, code, page]) => [
      code,
      page,
    ]);
    for (const [code, page] of listed) expect(page).toBe(code);
    expect(new Set(listed.map(([code]) => code))).toEqual(new Set(codes));
  });

  it.each(codes)("of %s begins with its name, is short, and links only to what is there", async (code) => {
    const page = await read(code);
    expect(page).toMatch(new RegExp(`^# \`${code}\`\n\nTold: `));
    expect(page.trimEnd().split("\n").length).toBeGreaterThanOrEqual(10);
    expect(page.trimEnd().split("\n").length).toBeLessThanOrEqual(35);
    for (const [, path = ""] of page.matchAll(/\]\(([^)#:]+)\)/g)) {
      expect(await readFile(new URL(path, folder), "utf8")).not.toBe("");
    }
  });

  it.each(Object.entries(refusals))("of %s name the status and the code that the exchange tells", async (code, all) => {
    const tellings = all.map((refusal) => tellCaller(refusal)).map((telling) => `${telling.status} ${telling.code}`);
    const byForm = code === "credential_missing" ? ["400 credential_missing"] : [];
    expect((await told(code)).exchange).toEqual([...tellings, ...byForm]);
  });

  it.each(serviceCodes)("of %s name the status that the service gives", async (code) => {
    const source = await readFile(new URL("../../src/app.ts", import.meta.url), "utf8");
    const [, status] = new RegExp(`\\b${code}: \\{ status: (\\d+), oauth`).exec(source) ?? [];
    expect((await told(code)).exchange).toEqual([`${status} ${code}`]);
  });
});

describe("the pages about requests", () => {
  let berth: TestBerth;
  let issuer: TestIssuer;

  beforeAll(async () => {
    [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
    await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
  });

  afterAll(async () => {
    await Promise.all([berth.remove(), issuer.close()]);
  });

  const post = (path: string, body: string, type = "application/x-www-form-urlencoded") =>
    call(`${berth.url}${path}`, { method: "POST", body, headers: { "content-type": type } });
  const atTokenEndpoint = (password: string, query = `service=${berth.host}`) =>
    askRegistryToken(berth, query, ["acme+ci", password]);
  const robotToken = async () => (await berth.exchange("acme+ci", await issuer.sign(berth.url))).body.token;

  it.each<[string, () => Promise<ApiAnswer>]>([
    ["request_invalid", () => post("/oauth2/token", "grant_type=password")],
    ["target_invalid", () => exchangeByForm(berth, "acme", "token")],
    ["credential_missing", () => exchangeByForm(berth, "acme+ci", "", {})],
    ["body_too_large", () => post("/oauth2/token", "x".repeat(65_537))],
    ["method_not_allowed", () => call(`${berth.url}/oauth2/token`)],
    ["not_found", () => call(`${berth.url}/oauth2/nothing`)],
    ["invalid", () => call(`${berth.url}/oauth2/token?x=%00`)],
    ["token_refused", async () => berth.exchange("acme+nobody", await issuer.sign(berth.url))],
  ])("name for %s what the exchange tells", async (code, ask) => {
    const { status, body } = await ask();
    expect((await told(code)).exchange).toContain(`${status} ${body.code}`);
    expect(body.code).toBe(code);
    expect(body.request_id).toMatch(/^[\w-]{36}$/);
  });

  it("name for granted the status of an exchange that gave a token", async () => {
    const { status } = await berth.exchange("acme+ci", await issuer.sign(berth.url));
    expect((await told("granted")).exchange).toEqual([String(status)]);
  });

  it.each<[string, () => Promise<ApiAnswer>]>([
    ["service_unknown", () => atTokenEndpoint("", "service=other")],
    ["scope_invalid", () => atTokenEndpoint("", `service=${berth.host}&scope=x`)],
    ["credential_missing", () => askRegistryToken(berth, `service=${berth.host}`)],
    [
      "credential_unreadable",
      () =>
        call(`${berth.url}/v2/auth?service=${berth.host}`, {
          headers: { authorization: basic("a", "b").slice(0, -1) },
        }),
    ],
    ["credential_invalid", () => atTokenEndpoint("hunter2")],
    [
      "credential_expired",
      async () => {
        const token = await robotToken();
        berth.clock.advance(3700);
        return atTokenEndpoint(token);
      },
    ],
    [
      "credential_revoked",
      async () => {
        const now = Math.floor(berth.clock.now() / 1000);
        const times = { iat: now, nbf: now, exp: now + 300 };
        const { body } = await berth.exchange("acme+ci", await issuer.sign(berth.url, times));
        await berth.api("DELETE", "/organization/acme/robots/ci/federation");
        return atTokenEndpoint(body.token);
      },
    ],
  ])("name for %s what the token endpoint tells", async (code, ask) => {
    const { status, body } = await ask();
    expect((await told(code)).registry).toEqual([`${status} ${body.errors[0].code}`]);
    const { body: found } = await berth.api("GET", `/logs?request_id=${body.errors[0].detail.request_id}`);
    for (const record of found.logs) expect(record.code).toBe(code);
  });
});
