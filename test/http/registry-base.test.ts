import { X509Certificate } from "node:crypto";
import { decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { askRegistryToken } from "../support/refusals.ts";

let berth: TestBerth;
let issuer: TestIssuer;
let robotToken: string;
let registryToken: string;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
  robotToken = (await berth.exchange("acme+ci", await issuer.sign(berth.url))).body.token;
  registryToken = (await askRegistryToken(berth, "", ["acme+ci", robotToken])).body.token;
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

const ask = (authorization?: string, path = "/v2/") =>
  call(berth.url + path, { headers: authorization === undefined ? {} : { authorization } });

describe("GET /v2/", () => {
  it.each(["/v2/", "/v2"])("at %s challenges for the default registry", async (path) => {
    const { status, headers, body } = await ask(undefined, path);
    expect(status).toBe(401);
    expect(headers.get("www-authenticate")).toBe(`Bearer realm="${berth.url}/v2/auth",service="${berth.host}"`);
    expect(headers.get("docker-distribution-api-version")).toBe("registry/2.0");
    expect(body.errors[0].code).toBe("UNAUTHORIZED");
  });

  it("is 200 {} for a good registry token", async () => {
    const { status, headers, body } = await ask(`Bearer ${registryToken}`);
    expect(status).toBe(200);
    expect(body).toEqual({});
    expect(headers.get("docker-distribution-api-version")).toBe("registry/2.0");
  });

  it("is 200 for nobody's registry token too: it is the registry's own", async () => {
    const anonymous = (await askRegistryToken(berth, "scope=repository:acme/app:pull")).body.token;
    expect((await ask(`Bearer ${anonymous}`)).status).toBe(200);
  });

  it.each<[string, () => Promise<string> | string]>([
    ["a robot token", () => `Bearer ${robotToken}`],
    ["the CI job's token", async () => `Bearer ${await issuer.sign(berth.url)}`],
    ["the admin token", () => `Bearer ${berth.adminToken}`],
    ["an altered token", () => `Bearer ${registryToken.slice(0, -4)}AAAA`],
    ["half a token", () => `Bearer ${registryToken.slice(0, registryToken.lastIndexOf("."))}.`],
    ["no token", () => "Bearer"],
    ["Basic", () => "Basic Og=="],
  ])("is 401 with %s", async (_, authorization) => {
    const { status, headers } = await ask(await authorization());
    expect(status).toBe(401);
    expect(headers.get("www-authenticate")).toMatch(/^Bearer realm=/);
  });

  it("is 401 once the registry token has expired", async () => {
    berth.clock.advance(600);
    expect((await ask(`Bearer ${registryToken}`)).status).toBe(200);
    berth.clock.advance(300);
    expect((await ask(`Bearer ${registryToken}`)).status).toBe(401);
    berth.clock.advance(-900);
  });

  it("takes no other method", async () => {
    const { status, headers } = await call(`${berth.url}/v2/`, { method: "POST" });
    expect(status).toBe(405);
    expect(headers.get("allow")).toContain("GET");
  });
});

describe("a registry's certificates", () => {
  it("are public, and are those that its tokens' certificates come from", async () => {
    const { status, body } = await call(`${berth.url}/registries/${encodeURIComponent(berth.host)}/certs.pem`);
    expect(status).toBe(200);
    const [leaf] = decodeProtectedHeader(registryToken).x5c ?? [];
    const issued = new X509Certificate(Buffer.from(leaf ?? "", "base64"));
    const authority = new X509Certificate(body);
    expect(issued.checkIssued(authority)).toBe(true);
    expect(issued.verify(authority.publicKey)).toBe(true);
    expect(body).not.toContain("PRIVATE");
  });

  it.each(["none", "%01", "..%2f", "%ff"])("of %s are not there", async (service) => {
    const { status, body } = await call(`${berth.url}/registries/${service}/certs.pem`);
    expect(status).toBe(404);
    expect(body.errors[0].code).toBe("NAME_UNKNOWN");
  });
});
