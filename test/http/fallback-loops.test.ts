import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { limits } from "../../src/limits.ts";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { type OtherServer, startOtherServer } from "../support/other-server.ts";

const environment = { BERTH_TRUSTED_PROXIES: "127.0.0.0/8" };
let berth: TestBerth;
let second: TestBerth;
let other: OtherServer;

beforeAll(async () => {
  [berth, second, other] = await Promise.all([
    startBerth({ environment }),
    startBerth({ environment }),
    startOtherServer(),
  ]);
  await register(berth, "old.example", other.realm);
  await register(berth, "mirror.example", `${berth.url.replace("127.0.0.1", "localhost")}/v2/auth`);
  await register(berth, "mutual.example", `${second.url}/v2/auth`);
  await register(second, "mutual.example", `${berth.url}/v2/auth`);
});

afterEach(() => {
  other.asked.length = 0;
  other.answer = (response) => response.end("{}");
});

afterAll(async () => {
  await Promise.all([berth.remove(), second.remove(), other.close()]);
});

async function register({ api }: TestBerth, service: string, fallbackRealm: string): Promise<void> {
  expect((await api("POST", "/registries", { service, fallback_realm: fallbackRealm })).status).toBe(201);
}

function ask(service: string, { from = "192.0.2.1", signal }: { from?: string; signal?: AbortSignal } = {}) {
  return call(`${berth.url}/v2/auth?service=${service}`, {
    headers: { authorization: basic("anna", "a password"), "x-forwarded-for": from },
    ...(signal && { signal }),
  });
}

describe("a fallback realm that leads round in a circle", () => {
  const requests = ({ log }: TestBerth) => log.filter((line) => line.includes('"route":"/v2/auth"')).length;

  it.each(["mirror.example", "mutual.example"])("ends in one 503, after two requests: %s", async (service) => {
    const before = requests(berth) + requests(second);
    const answer = await ask(service);
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(answer.body.errors).toMatchObject([{ code: "UNAVAILABLE", message: expect.stringMatching(/Try again/) }]);
    // The request that was handed on is logged before the one that waited for it.
    expect(requests(berth) + requests(second) - before).toBe(2);
    expect([...berth.log, ...second.log].join()).toContain("it leads back here");
  });
});

it.each([
  "1.1 berth.example",
  "1.1 berth.example:8443 (Apache/2.4), 1.1 varnish",
  "2.0 not-berth",
  "1.1 proxy (before berth)",
])("a proxy before this service that writes itself into Via keeps nobody out: %s", async (via) => {
  const answer = await call(`${berth.url}/v2/auth?service=old.example`, {
    headers: { authorization: basic("anna", "a password"), via },
  });
  expect(answer.status).toBe(200);
  expect(other.asked).toHaveLength(1);
});

describe("a token server that does not answer", () => {
  const silent = () => {};
  const most = limits.fallbackRealm.atOnceOfAddress;

  it("is told when the client hangs up", async () => {
    other.answer = silent;
    const client = new AbortController();
    const asked = ask("old.example", { signal: client.signal });
    await vi.waitFor(() => expect(other.asked).toHaveLength(1), PATIENCE);
    const before = other.abandoned;
    client.abort();
    await expect(asked).rejects.toThrow();
    await vi.waitFor(() => expect(other.abandoned).toBe(before + 1), PATIENCE);
  });

  it("is asked by so many of one address at once, which keeps no other address out, and no robot", async () => {
    await berth.createRobot("acme+ci");
    const { token } = (await berth.api("POST", "/organization/acme/robots/ci/regenerate", {})).body;
    other.answer = silent;
    const clients = new AbortController();
    const waiting = Array.from({ length: most }, () => ask("old.example", { signal: clients.signal }));
    const ended = Promise.allSettled(waiting);
    await vi.waitFor(() => expect(other.asked).toHaveLength(most), PATIENCE);

    const refused = await ask("old.example");
    expect([refused.status, refused.body.errors[0].code]).toEqual([503, "UNAVAILABLE"]);
    expect(other.asked).toHaveLength(most);
    const robot = await call(`${berth.url}/v2/auth?service=old.example`, {
      headers: { authorization: basic("acme+ci", token), "x-forwarded-for": "192.0.2.1" },
    });
    expect(robot.status).toBe(200);
    other.answer = (response) => response.end("{}");
    expect((await ask("old.example", { from: "192.0.2.2" })).status).toBe(200);
    expect((await ask("old.example")).status).toBe(503);

    clients.abort();
    expect((await ended).map(({ status }) => status)).toEqual(waiting.map(() => "rejected"));
    await vi.waitFor(async () => {
      const again = await Promise.all(waiting.map(() => ask("old.example")));
      expect(again.map(({ status }) => status)).toEqual(waiting.map(() => 200));
    }, PATIENCE);
  });
});

/** Milliseconds, of which a busy machine needs some. */
const PATIENCE = { timeout: 20_000, interval: 20 };
