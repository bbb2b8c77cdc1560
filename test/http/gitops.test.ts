import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, type TestIssuer } from "../support/issuer.ts";
import { type ManagementCall, managementBy } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

/** A job that keeps its organization as a document in git says, and has no token but the platform's own. */

const MAIN = "repo:acme/infra:ref:refs/heads/main";
const PULL_REQUEST = "repo:acme/infra:pull_request";
const state = "/organization/acme/state";

let berth: TestBerth;
let platform: TestIssuer;
let admin: ManagementCall;

beforeAll(async () => {
  [berth, platform] = await Promise.all([startBerth(), startIssuer()]);
  admin = managementBy(berth, berth.adminToken);
});

afterAll(async () => {
  await berth.remove();
  await platform.close();
});

const bound = (subject: string, more: object = {}) => ({ issuer: platform.url, subject, ...more });

/** What a job of the repository manages by. */
async function startJob(robot: string, sub: string): Promise<ManagementCall> {
  const token = await platform.sign(berth.url, { sub });
  const { status, body } = await berth.exchange(`acme+${robot}`, token);
  expect(status, JSON.stringify(body)).toBe(200);
  return managementBy(berth, body.token);
}

describe("from a new organization to one that is kept in git", () => {
  /** The document in git. */
  let document: Record<string, unknown>;

  it("an admin hands it over once", async () => {
    expect((await admin("POST", "/organization/", { name: "acme" })).status).toBe(201);
    const first = {
      robots: {
        gitops: { federation: [bound(MAIN, { api: true })] },
        plan: { federation: [bound(PULL_REQUEST, { api: true })] },
      },
      members: { "acme+gitops": "admin", "acme+plan": "reader" },
    };
    const { status, body } = await admin("PUT", state, first);
    expect(status, JSON.stringify(body)).toBe(200);
    const told = body.changes.map(({ action, kind, name }: Record<string, string>) => `${action} ${kind} ${name}`);
    expect(told.toSorted()).toEqual([
      "create member acme+gitops",
      "create member acme+plan",
      "create robot acme+gitops",
      "create robot acme+plan",
    ]);
    document = (await admin("GET", state)).body;
  });

  it("a pull request reads, and changes nothing", async () => {
    const plan = await startJob("plan", PULL_REQUEST);
    expect((await plan("GET", state)).body).toEqual(document);
    expectProblem(await plan("PUT", state, document), 403, "forbidden");
    expectProblem(await plan("PUT", `${state}?dry_run=true`, document), 403, "forbidden");
    const { status, body } = await berth.exchange("acme+gitops", await platform.sign(berth.url, { sub: PULL_REQUEST }));
    expect(status, body.message).toBe(400);
  });

  it("the main branch applies it, tried first, and only what nobody changed meanwhile", async () => {
    const job = await startJob("gitops", MAIN);
    const read = await job("GET", state);
    const ifMatch = { "if-match": read.headers.get("etag") ?? "" };
    const wanted = {
      ...document,
      settings: { ...(document.settings as object), email: "platform@acme.example" },
      robots: {
        ...(document.robots as object),
        app: {
          description: "builds the application",
          federation: [bound("repo:acme/app:*", { claims: { environment: { in: ["staging", "production"] } } })],
          grants: [{ repository: "acme/app", actions: ["pull", "push"] }],
        },
      },
      prototypes: { gitops: "read" },
    };
    const tried = await job("PUT", `${state}?dry_run=true`, wanted, ifMatch);
    expect(tried.body).toMatchObject({ dry_run: true });
    expect((await job("GET", state)).body).toEqual(document);
    const applied = await job("PUT", state, wanted, ifMatch);
    expect(applied.body).toEqual({ dry_run: false, changes: tried.body.changes });
    expect(applied.headers.get("etag")).toBe((await job("GET", state)).headers.get("etag"));
    expectProblem(await job("PUT", state, document, ifMatch), 412, "precondition_failed");
    document = (await job("GET", state)).body;
    expect(document).toMatchObject({ robots: { app: wanted.robots.app }, prototypes: wanted.prototypes });
  });

  it("and again, which changes nothing, and leaves its own token good", async () => {
    const job = await startJob("gitops", MAIN);
    for (const _ of ["once", "twice"]) {
      expect((await job("PUT", state, document)).body).toEqual({ dry_run: false, changes: [] });
    }
    const { logs } = (await admin("GET", "/organization/acme/logs?limit=1")).body;
    expect(logs[0].kind).toBe("federated_robot_token_exchange");
  });

  it("every change is the robot's on the record", async () => {
    const { logs } = (await admin("GET", "/organization/acme/logs?actor=acme%2Bgitops")).body;
    const kinds = logs.map(({ kind }: { kind: string }) => kind);
    expect(kinds).toEqual(
      expect.arrayContaining(["put_organization_state", "org_change", "create_robot", "change_robot_grants"]),
    );
    for (const log of logs) expect(log.performer).toMatchObject({ name: "acme+gitops" });
    const whole = logs.find(({ kind }: { kind: string }) => kind === "put_organization_state");
    expect(whole.metadata.changes).toEqual(
      expect.arrayContaining(["change settings acme", "create robot acme+app", "create prototype acme+gitops"]),
    );
    const settings = logs.find(({ kind }: { kind: string }) => kind === "org_change");
    expect(settings).toMatchObject({ before: { email: null }, after: { email: "platform@acme.example" } });
  });

  it("what it made is another's to use: the application's job gets what the document grants", async () => {
    const sub = "repo:acme/app:ref:refs/heads/main";
    const token = await platform.sign(berth.url, { sub, environment: "production" });
    expect((await berth.exchange("acme+app", token)).status).toBe(200);
    const elsewhere = await platform.sign(berth.url, { sub, environment: "laptop" });
    expect((await berth.exchange("acme+app", elsewhere)).status).toBe(400);
  });
});

describe("a job that applies a document", () => {
  it.each<[string, (document: Record<string, Record<string, object>>) => object, (string | number)[]]>([
    ["leaves out its own robot", ({ robots: { gitops: _, ...robots } = {} }) => ({ robots }), ["robots"]],
    [
      "disables its own robot",
      ({ robots }) => ({ robots: { ...robots, gitops: { ...robots?.gitops, disabled: true } } }),
      ["robots", "gitops", "disabled"],
    ],
    ["leaves out its own role", ({ members: { "acme+gitops": _, ...members } = {} }) => ({ members }), ["members"]],
    [
      "lessens its own role",
      ({ members }) => ({ members: { ...members, "acme+gitops": "reader" } }),
      ["members", "acme+gitops"],
    ],
    [
      "lessens its own role by another spelling",
      ({ members }) => ({ members: { ...members, "acme gitops": "reader" } }),
      ["members", "acme gitops"],
    ],
  ])("is told when it %s, and shuts itself out by none of it", async (_, change, path) => {
    const job = await startJob("gitops", MAIN);
    const before = await job("GET", state);
    const refused = await job("PUT", state, { ...before.body, ...change(before.body) });
    expectProblem(refused, 400, "invalid");
    expect(refused.body.errors.map((one: { path: unknown }) => one.path)).toEqual([path]);
    const after = await job("GET", state);
    expect(after.status).toBe(200);
    expect(after.body).toEqual(before.body);
  });

  it("may leave parts of itself unsaid", async () => {
    const job = await startJob("gitops", MAIN);
    const before = (await job("GET", state)).body;
    for (const part of [{}, { members: {}, unlisted: "keep" }, { robots: {}, unlisted: "keep" }, { settings: {} }]) {
      expect((await job("PUT", state, part)).body).toEqual({ dry_run: false, changes: [] });
    }
    expect((await job("GET", state)).body).toEqual(before);
  });
});
