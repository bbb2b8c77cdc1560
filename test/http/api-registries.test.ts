import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { expectProblem } from "../support/problems.ts";

let berth: TestBerth;
let made = 0;

beforeAll(async () => {
  berth = await startBerth();
  await berth.createRobot("acme+ci");
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

const defaults = {
  default: false,
  host: null,
  issuer: null,
  key_profile: "x5c",
  rotation_days: null,
  token_ttl: null,
  fallback_realm: null,
  refresh_tokens: false,
  warnings: [],
};
const settings = {
  host: "images.example:8443",
  issuer: "The other token server",
  key_profile: "kid",
  rotation_days: 30,
  token_ttl: 60,
  fallback_realm: "https://people.example/token?x=1",
  refresh_tokens: true,
};

describe("a registry", () => {
  it("is there from the first start, as the default one", async () => {
    const { status, body } = await get(berth.host);
    expect(status).toBe(200);
    expect(body).toMatchObject({ ...defaults, default: true, service: berth.host, realm: `${berth.url}/v2/auth` });
  });

  it("is made with nothing but its service", async () => {
    const answer = await create({ service: "bare.example" });
    expect(answer.status).toBe(201);
    const { created, keys, ...rest } = answer.body;
    expect(rest).toEqual({ ...defaults, service: "bare.example", realm: `${berth.url}/v2/auth` });
    expect(Math.abs(Date.parse(created) - berth.clock.now())).toBeLessThan(60_000);
    expect(keys).toHaveLength(4);
    expect((await get("bare.example")).body).toEqual(answer.body);
  });

  it("is made with all its settings, which are changed one by one, and back to what they were without", async () => {
    const service = await newRegistry(settings);
    expect((await get(service)).body).toMatchObject(settings);
    for (const [name, value] of Object.entries(settings)) {
      const fallback = defaults[name as keyof typeof defaults];
      expect((await change(service, { [name]: fallback })).body).toMatchObject({ [name]: fallback });
      expect((await get(service)).body).toMatchObject({ [name]: fallback });
      expect((await change(service, { [name]: value })).body).toMatchObject({ ...settings, [name]: value });
    }
    expect((await change(service, {})).body).toMatchObject(settings);
  });

  it("shows its keys, and nothing that is private or sealed", async () => {
    const service = await newRegistry();
    await berth.api("POST", `${path(service)}/rotate`, {});
    const { keys } = (await get(service)).body;
    expect(keys.map((key: { purpose: string; status: string }) => `${key.status} ${key.purpose}`).sort()).toEqual([
      "active authority",
      "active signing",
      "next authority",
      "next signing",
      "retired signing",
    ]);
    for (const key of keys) {
      const names = ["activated", "created", "kid", "not_after", "profile", "purpose", "retired", "rotates", "status"];
      expect(Object.keys(key).sort()).toEqual(names);
      expect([key.profile, key.retired !== null]).toEqual([
        key.purpose === "signing" ? "x5c" : null,
        key.status === "retired",
      ]);
    }
    expect(JSON.stringify(keys)).not.toMatch(/sealed|private|PRIVATE|v1\./i);
  });

  it("is listed by name, page by page", async () => {
    await Promise.all([newRegistry(), newRegistry(), newRegistry()]);
    const listed: string[] = [];
    for (let next = ""; ; ) {
      const { body } = await berth.api("GET", `/registries?limit=2&next_page=${encodeURIComponent(next)}`);
      expect(body.registries.length).toBeLessThanOrEqual(2);
      listed.push(...body.registries.map(({ service }: { service: string }) => service));
      if (!body.next_page) break;
      next = body.next_page;
    }
    const { body } = await berth.api("GET", "/registries?limit=500");
    expect(listed).toEqual(body.registries.map(({ service }: { service: string }) => service));
    expect(new Set(listed).size).toBe(listed.length);
    expect(listed).toContain(berth.host);
  });

  it("is not made twice, whatever else it says", async () => {
    const service = await newRegistry();
    expectProblem(await create({ service, ...settings }), 400, "already_exists");
    expect((await get(service)).body).toMatchObject(defaults);
    expectProblem(await create({ service: berth.host }), 400, "already_exists");
  });

  it("is the superuser's alone", async () => {
    for (const [method, at] of [
      ["GET", "/registries"],
      ["POST", "/registries"],
      ["GET", path(berth.host)],
      ["PATCH", path(berth.host)],
      ["DELETE", path(berth.host)],
      ["POST", `${path(berth.host)}/rotate`],
      ["POST", "/keys/rotate"],
    ] as const) {
      expectProblem(await call(`${berth.url}/api/v1${at}`, { method }), 401, "unauthenticated");
    }
  });

  it("that is not there is not found", async () => {
    for (const service of ["nobody.example", " ", "a b", "ä", "x".repeat(300)]) {
      expectProblem(await get(service), 404, "not_found");
      expectProblem(await change(service, {}), 404, "not_found");
      expectProblem(await berth.api("DELETE", path(service)), 404, "not_found");
      expectProblem(await berth.api("POST", `${path(service)}/rotate`, {}), 404, "not_found");
    }
  });
});

describe("a registry that is deleted", () => {
  it("is gone, with its keys", async () => {
    const service = await newRegistry();
    expect((await berth.api("DELETE", path(service))).status).toBe(204);
    expectProblem(await get(service), 404, "not_found");
    expectProblem(await berth.api("DELETE", path(service)), 404, "not_found");
    expect((await call(`${berth.url}${path(service)}/certs.pem`)).status).toBe(404);
    expect((await call(`${berth.url}/v2/auth?service=${service}&scope=repository:a:pull`)).status).toBe(400);
    const again = await create({ service });
    expect([again.status, again.body.keys.length]).toEqual([201, 4]);
  });

  it("is never the default one", async () => {
    for (const query of ["", "?cascade=true"]) {
      expect(expectProblem(await berth.api("DELETE", path(berth.host) + query), 409, "conflict")).toMatch(/default/);
    }
  });

  it("takes grants and anonymous pulls with it only when that is said", async () => {
    const service = await newRegistry();
    const grants = [{ registry: service, repository: "acme/app", actions: ["pull"] }];
    expect((await berth.api("PUT", "/organization/acme/robots/ci/grants", grants)).status).toBe(200);
    const pull = [{ registry: service, repository: "acme/app" }];
    expect((await berth.api("PATCH", "/organization/acme", { anonymous_pull: pull })).status).toBe(200);
    for (const query of ["", "?cascade=false"]) {
      expect(expectProblem(await berth.api("DELETE", path(service) + query), 409, "conflict")).toMatch(/2 in all/);
    }
    expectProblem(await berth.api("DELETE", `${path(service)}?cascade=yes`), 400, "invalid");
    expect((await berth.api("GET", "/organization/acme/robots/ci/grants")).body).toHaveLength(1);
    expect((await berth.api("DELETE", `${path(service)}?cascade=true`)).status).toBe(204);
    expect((await berth.api("GET", "/organization/acme/robots/ci/grants")).body).toEqual([]);
    expect((await berth.api("GET", "/organization/acme")).body.anonymous_pull).toEqual([]);
  });
});

it("every change is recorded: by whom, of what, and with no value that may be secret", async () => {
  const service = await newRegistry();
  const answers = [
    await change(service, { fallback_realm: "https://people.example/?key=hidden", token_ttl: 60 }),
    await berth.api("POST", `${path(service)}/rotate`, {}),
    await berth.api("DELETE", path(service)),
  ];
  const records = await Promise.all(
    answers.map(
      async ({ headers }) => (await berth.api("GET", `/logs?request_id=${headers.get("x-request-id")}`)).body.logs,
    ),
  );
  expect(records).toMatchObject([
    [{ kind: "change_registry", metadata: { service }, after: { token_ttl: 60 } }],
    [{ kind: "rotate_keys", metadata: { service, authority: false, compromised: false } }],
    [{ kind: "delete_registry", metadata: { service, grants: 0 } }],
  ]);
  for (const [record] of records) expect(record).toMatchObject({ outcome: "success", performer: { name: "admin" } });
  expect(JSON.stringify([records, berth.log])).not.toContain("hidden");
});
