import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import {
  type RegistryConfigFormat,
  registryConfigFormats,
} from "../../src/services/registry-config/registry-config.ts";
import { runShell } from "../docs/shell.ts";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { expectProblem } from "../support/problems.ts";
import { describeWith } from "../support/requirements.ts";

let berth: TestBerth;
let issuer: TestIssuer;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
});

afterAll(() => Promise.all([berth.remove(), issuer.close()]));

const path = (service: string) => `/registries/${encodeURIComponent(service)}`;
const config = (service: string, format: string) => berth.api("GET", `${path(service)}/config/${format}`);
const certificates = async (service: string): Promise<string> =>
  (await call(`${berth.url}${path(service)}/certs.pem`)).body;

async function create(service: string, settings: object = {}): Promise<void> {
  const { status, body } = await berth.api("POST", "/registries", { service, ...settings });
  expect(status, JSON.stringify(body)).toBe(201);
}

async function moveToKid(service: string): Promise<void> {
  expect((await berth.api("PATCH", path(service), { key_profile: "kid" })).status).toBe(200);
  expect((await berth.api("POST", `${path(service)}/rotate`, { force: true })).status).toBe(200);
}

describe("GET /api/v1/registries/{service}/config/{format}", () => {
  it.each([
    ["distribution", "application/yaml"],
    ["env", "text/plain; charset=utf-8"],
    ["compose", "application/yaml"],
    ["kubernetes", "application/yaml"],
  ])("gives %s as %s", async (format, type) => {
    const { status, headers } = await config(berth.host, format);
    expect([status, headers.get("content-type")]).toEqual([200, type]);
  });

  it("says what the registry has set, and its certificates", async () => {
    await create("set.example", { host: "images.example:8443", issuer: "Another issuer" });
    const token = parse((await config("set.example", "distribution")).body).auth.token;
    const expected = { realm: `${berth.url}/v2/auth`, service: "set.example", issuer: "Another issuer" };
    expect(token).toMatchObject(expected);
    const compose = (await config("set.example", "compose")).body;
    expect(compose).toContain('# Clients are to reach it at "images.example:8443"');
    const pem = (await certificates("set.example")).replaceAll(/\n+/g, "\n");
    expect(parse(compose).configs.certificates.content).toBe(pem);
    const [configMap] = parseAllDocuments((await config("set.example", "kubernetes")).body);
    expect(configMap?.toJS().data["certs.pem"]).toBe(pem);
  });

  it("refuses zot for a registry whose tokens bring certificates, and says what to do", async () => {
    expect(expectProblem(await config(berth.host, "zot"), 409, "conflict")).toContain("key_profile");
  });

  it("gives zot the key that signs, first in the file that it reads", async () => {
    await create("zot.example");
    await moveToKid("zot.example");
    const { http } = (await config("zot.example", "zot")).body;
    expect(http.auth.bearer).toEqual({
      realm: `${berth.url}/v2/auth`,
      service: "zot.example",
      cert: "/etc/berth/certs.pem",
    });

    const { body: exchanged } = await berth.exchange("acme+ci", await issuer.sign(berth.url));
    const headers = { authorization: basic("acme+ci", exchanged.token) };
    const issued = await call(`${berth.url}/v2/auth?service=zot.example`, { headers });
    const { publicKey } = new X509Certificate(await certificates("zot.example"));
    await expect(jwtVerify(issued.body.token, publicKey)).resolves.toBeTruthy();
  });

  it("has jwks as soon as a key needs it, and as long as one may", async () => {
    const jwks = async () => parse((await config("kid.example", "distribution")).body).auth.token.jwks;
    await create("kid.example");
    expect(await jwks()).toBeUndefined();
    await berth.api("PATCH", path("kid.example"), { key_profile: "kid" });
    expect(await jwks()).toBe("/etc/berth/jwks.json");
    await moveToKid("kid.example");
    expect(await jwks()).toBe("/etc/berth/jwks.json");
  });

  it("is a superuser's", async () => {
    const answer = await call(`${berth.url}/api/v1${path(berth.host)}/config/distribution`);
    expectProblem(answer, 401, "unauthenticated");
  });

  it.each([
    ["a registry that is not there", "nobody.example", "distribution", 404, "not_found"],
    ["a format that is not there", "", "helm", 400, "invalid"],
  ])("refuses %s", async (_, service, format, status, code) => {
    expectProblem(await config(service || berth.host, format), status, code);
  });
});

describeWith(["curl"], "a registry of an odd name", () => {
  const service = "o'clock:5000#$HOME{}&|;`id`";
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "berth-odd-"));
    await create(service, { key_profile: "kid" });
  });

  afterAll(() => rm(directory, { recursive: true }));

  it.each<RegistryConfigFormat>(["distribution", "env"])("is fetched for by the commands in %s", async (format) => {
    const text: string = (await config(service, format)).body;
    const commands = [...text.matchAll(/^# {3}(curl .*)$/gm)].map(([, command = ""]) => command);
    expect(commands).toHaveLength(2);
    await runShell(commands.join("\n").replaceAll("/etc/berth", directory), directory, {});
    expect(await readFile(join(directory, "certs.pem"), "utf8")).toBe(await certificates(service));
    expect(JSON.parse(await readFile(join(directory, "jwks.json"), "utf8")).keys).toHaveLength(2);
  });

  it("keeps its name in every format", async () => {
    for (const format of registryConfigFormats) {
      const { status, body } = await config(service, format);
      expect(status, format).toBe(200);
      if (format === "distribution") expect(parse(body).auth.token.service).toBe(service);
      if (format === "zot") expect(body.http.auth.bearer.service).toBe(service);
    }
  });
});
