import { decodeProtectedHeader } from "jose";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { fetchCertificates, startRegistry, type TestRegistry } from "../support/registry.ts";
import { createRegistryTraffic, type RegistryTraffic } from "../support/registry-traffic.ts";
import { describeWith } from "../support/requirements.ts";

const ROBOT = "acme+ci";
const services = { x5c: "x5c.example", kid: "kid.example" } as const;
type Profile = keyof typeof services;

describeWith(["registry"], "keys that turn under a running registry", () => {
  let berth: TestBerth;
  let issuer: TestIssuer;
  let password: string;
  const running: TestRegistry[] = [];

  beforeAll(async () => {
    [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
    for (const [key_profile, service] of Object.entries(services)) {
      expect((await berth.api("POST", "/registries", { service, key_profile })).status).toBe(201);
    }
    await berth.createRobot(ROBOT, {
      federation: [{ issuer: issuer.url, subject }],
      grants: Object.values(services).map((registry) => ({
        registry,
        repository: "acme/*",
        actions: ["pull", "push", "delete"],
      })),
    });
    password = (await berth.exchange(ROBOT, await issuer.sign(berth.url))).body.token;
  });
  afterEach(async () => {
    for (const registry of running.splice(0)) await registry.remove();
  });
  afterAll(() => Promise.all([berth.remove(), issuer.close()]));

  /** Starts a registry, or starts it again, with what Berth exports now. */
  const start = async (profile: Profile, at?: TestRegistry): Promise<TestRegistry> => {
    if (at) await running.splice(running.indexOf(at), 1)[0]?.remove();
    const service = services[profile];
    const port = at ? Number(at.host.split(":")[1]) : await freePort();
    const certificates = await fetchCertificates(berth.url, service);
    const registry = await startRegistry({ port, service, issuer: berth.url, certificates });
    running.push(registry);
    return registry;
  };
  const trafficTo = (profile: Profile, { host }: TestRegistry): RegistryTraffic =>
    createRegistryTraffic({
      berth,
      host,
      service: services[profile],
      username: ROBOT,
      password,
      repository: "acme/app",
    });
  const rotate = (profile: Profile, body: object = {}) =>
    berth.api("POST", `/registries/${services[profile]}/rotate`, body);
  const signingKey = async (profile: Profile) => {
    const { body } = await berth.api("GET", `/registries/${services[profile]}`);
    return body.keys.find(
      (key: { purpose: string; status: string }) => key.purpose === "signing" && key.status === "active",
    ).kid;
  };
  const tokenFor = async (profile: Profile): Promise<string> => {
    const query = `service=${services[profile]}&scope=repository:acme/app:pull`;
    return (await call(`${berth.url}/v2/auth?${query}`, { headers: { authorization: basic(ROBOT, password) } })).body
      .token;
  };
  const readWith = async ({ host }: TestRegistry, token: string) =>
    (await call(`http://${host}/v2/`, { headers: { authorization: `Bearer ${token}` } })).status;

  it("of the x5c profile, leaf and authority, refuse none of 500 requests and need no restart", async () => {
    const registry = await start("x5c");
    const traffic = trafficTo("x5c", registry);
    const turned = new Set([await signingKey("x5c")]);
    const flowing = traffic.send(500);
    for (const body of [{}, { authority: true }, {}]) {
      const wanted = traffic.sent() + 100;
      while (traffic.sent() < wanted) await new Promise((resolve) => setTimeout(resolve, 5));
      expect((await rotate("x5c", body)).status).toBe(200);
      turned.add(await signingKey("x5c"));
    }
    await flowing;
    expect(traffic.refused).toEqual([]);
    expect(traffic.sent()).toBeGreaterThanOrEqual(500);
    expect(turned.size).toBe(4);
    expect(decodeProtectedHeader(await tokenFor("x5c")).x5c).toHaveLength(1);
  });

  it("of the x5c profile roll the authority again after a planned restart", async () => {
    const registry = await start("x5c");
    expect((await rotate("x5c", { authority: true })).status).toBe(409);
    const restarted = await start("x5c", registry);
    expect((await rotate("x5c", { authority: true, force: true })).status).toBe(200);
    const traffic = trafficTo("x5c", restarted);
    await traffic.send(60);
    expect(traffic.refused).toEqual([]);
  });

  it("of the kid profile refuse none: the next key was known from the start, the one after it by a planned restart", async () => {
    const registry = await start("kid");
    const traffic = trafficTo("kid", registry);
    await traffic.send(100);
    expect((await rotate("kid")).status).toBe(200);
    await traffic.send(100);
    const early = await rotate("kid");
    expect([early.status, early.body.detail]).toEqual([409, expect.stringContaining('{"force": true}')]);
    expect(traffic.refused).toEqual([]);

    const restarted = await start("kid", registry);
    const after = trafficTo("kid", restarted);
    const flowing = after.send(300);
    expect((await rotate("kid", { force: true })).status).toBe(200);
    await flowing;
    expect(after.refused).toEqual([]);
    expect(decodeProtectedHeader(await tokenFor("kid"))).toMatchObject({ kid: await signingKey("kid") });
  });

  it.each<Profile>(["x5c", "kid"])(
    "of the %s profile, once one leaked, are trusted by a restarted registry no more",
    async (profile) => {
      const registry = await start(profile);
      const leaked = await tokenFor(profile);
      expect(await readWith(registry, leaked)).toBe(200);
      expect((await rotate(profile, { compromised: true })).status).toBe(200);
      // Until then the registry trusts what it has read.
      expect(await readWith(registry, leaked)).toBe(200);
      expect(await readWith(registry, await tokenFor(profile))).toBe(401);
      const restarted = await start(profile, registry);
      expect(await readWith(restarted, leaked)).toBe(401);
      expect(await readWith(restarted, await tokenFor(profile))).toBe(200);
    },
  );
});
