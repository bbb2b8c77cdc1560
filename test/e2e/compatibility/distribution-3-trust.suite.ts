import { afterAll, beforeAll, expect, it } from "vitest";
import { basic, call, startBerth, type TestBerth } from "../../support/berth.ts";
import { freePort } from "../../support/free-port.ts";
import { startIssuer, subject } from "../../support/issuer.ts";
import { fetchCertificates, startConfiguredRegistry, type TestRegistry } from "../../support/registry.ts";
import { distribution, fetchKeySet } from "../../support/registry-kinds.ts";
import { describeBuilt } from "./built.ts";

const service = "kid.example";

describeBuilt("distribution-v3.1.2", (program) => {
  const closers: (() => Promise<void>)[] = [];
  let berth: TestBerth;
  let token: string;
  beforeAll(async () => {
    const issuer = await startIssuer();
    closers.push(issuer.close);
    berth = await startBerth();
    closers.push(berth.remove);
    const { status } = await berth.api("POST", "/registries", { service, key_profile: "kid" });
    expect(status).toBe(201);
    await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
    const robotToken = (await berth.exchange("acme+ci", await issuer.sign(berth.url))).body.token;
    const headers = { authorization: basic("acme+ci", robotToken) };
    token = (await call(`${berth.url}/v2/auth?service=${service}`, { headers })).body.token;
  });
  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  });

  async function statusFrom(starting: Promise<TestRegistry>): Promise<number> {
    const registry = await starting;
    closers.push(registry.remove);
    return (await call(`http://${registry.host}/v2/`, { headers: { authorization: `Bearer ${token}` } })).status;
  }

  it("finds no kid in its rootcertbundle", async () => {
    const kind = distribution({ version: "3.1", program, keyProfile: "kid", trust: "rootcertbundle" });
    expect(await statusFrom(kind.start({ berth, service, port: await freePort() }))).toBe(401);
  });

  it("takes the configuration that Berth gives for it", async () => {
    const { body } = await berth.api("GET", `/registries/${service}/config/distribution`);
    const trust = {
      "certs.pem": await fetchCertificates(berth.url, service),
      "jwks.json": await fetchKeySet(berth.url, service),
    };
    expect(await statusFrom(startConfiguredRegistry({ program, port: await freePort(), auth: body, trust }))).toBe(200);
  });
});
