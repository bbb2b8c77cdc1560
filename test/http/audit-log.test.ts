import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { makePrincipal, type TestPrincipal } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

let berth: TestBerth;
let admin: TestPrincipal;
let reader: TestPrincipal;
let auditor: TestPrincipal;

const log = "/organization/acme/logs";

beforeAll(async () => {
  berth = await startBerth();
  await berth.createRobot("acme+ci", { grants: [{ repository: "acme/*", actions: ["pull"] }] });
  await berth.createRobot("other+ci");
  admin = await makePrincipal(berth, "acme-admin", { roles: { acme: "admin" } });
  reader = await makePrincipal(berth, "acme-reader", { roles: { acme: "reader" } });
  auditor = await makePrincipal(berth, "auditor", { super_user: "read_only" });
  berth.clock.advance(60);
  await admin.api("PATCH", "/organization/acme/robots/ci", { disabled: true });
  await berth.exchange("acme+ci", "nonsense");
  await admin.api("DELETE", "/organization/acme/robots/ci");
});

afterAll(() => berth.remove());

interface Shown {
  readonly id: string;
  readonly kind: string;
  readonly datetime: string;
  readonly organization: string | null;
  readonly request_id: string;
}

async function find(path: string): Promise<Shown[]> {
  const { status, body } = await berth.api("GET", path);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.logs;
}
const kinds = async (path: string) => (await find(path)).map(({ kind }) => kind);

describe("a record of the audit log", () => {
  it("tells who changed what, from what and to what", async () => {
    const [changed] = await find(`${log}?kind=change_robot`);
    expect(changed).toEqual({
      id: expect.any(String),
      datetime: expect.stringMatching(/Z$/),
      kind: "change_robot",
      organization: "acme",
      robot: "acme+ci",
      performer: { name: "acme-admin" },
      outcome: "success",
      code: null,
      request_id: expect.any(String),
      ip: "127.0.0.1",
      before: { disabled: false },
      after: { disabled: true },
      metadata: {},
    });
  });

  it("has nothing before what was created, and nothing after what was deleted", async () => {
    const [created] = await find(`${log}?kind=create_robot`);
    expect(created).toMatchObject({ before: null, after: { disabled: false } });
    const [deleted] = await find(`${log}?kind=delete_robot`);
    expect(deleted).toMatchObject({ before: { disabled: true }, after: null });
  });
});

describe("the audit log is searched", () => {
  it("by robot, also where a form made a space of the plus", async () => {
    for (const robot of ["acme%2Bci", "acme+ci", "acme%20ci"]) {
      expect(await kinds(`/logs?robot=${robot}&outcome=success`)).toEqual([
        "delete_robot",
        "change_robot",
        "change_robot_grants",
        "create_robot",
      ]);
    }
  });

  it("by who did it, which Quay's clients call the performer", async () => {
    expect(await kinds("/logs?actor=acme-admin")).toEqual(["delete_robot", "change_robot"]);
    expect(await kinds(`${log}?performer=acme-admin`)).toEqual(["delete_robot", "change_robot"]);
    expect(await kinds(`${log}?actor=nobody`)).toEqual([]);
  });

  it("by outcome and request", async () => {
    const [refused, ...others] = await find(`${log}?outcome=refused`);
    expect(others).toEqual([]);
    expect(refused).toMatchObject({ kind: "federated_robot_token_exchange", code: "token_malformed" });
    expect(await find(`${log}?request_id=${refused?.request_id}`)).toEqual([refused]);
  });

  it("by organization, for superusers", async () => {
    const found = await find("/logs?organization=other&limit=500");
    expect(found.length).toBeGreaterThan(0);
    for (const { organization } of found) expect(organization).toBe("other");
    expect(await find(`${log}?organization=other`)).toEqual(await find(log));
  });

  it("by time, and by whole days as Quay's clients name them", async () => {
    const [{ datetime } = { datetime: "" }] = await find(`${log}?kind=change_robot`);
    expect(await kinds(`${log}?starttime=${datetime}`)).toContain("change_robot");
    expect(await kinds(`${log}?endtime=${datetime}`)).not.toContain("change_robot");
    const [year, month, day] = datetime.slice(0, 10).split("-");
    const today = `${month}/${day}/${year}`;
    expect(await kinds(`${log}?starttime=${today}&endtime=${today}`)).toContain("change_robot");
    expect(await kinds(`${log}?endtime=01/01/2020`)).toEqual([]);
    expect(await kinds(`${log}?endtime=12/31/9999`)).toContain("change_robot");
  });

  it.each([
    ["outcome=maybe", "outcome"],
    ["limit=0", "limit"],
    ["limit=501", "limit"],
    ["limit=1.5", "limit"],
    ["next_page=!", "next_page"],
    [`next_page=${Buffer.from("[]").toString("base64url")}`, "next_page"],
    [`next_page=${Buffer.from('["2026-13-01T00:00:00.000Z","x"]').toString("base64url")}`, "next_page"],
    [`next_page=${Buffer.from("a\0b").toString("base64url")}`, "next_page"],
    [`next_page=${Buffer.from([0xff, 0xfe]).toString("base64url")}`, "next_page"],
  ])("not by %s", async (query, path) => {
    for (const route of [log, "/logs"]) {
      const answer = await berth.api("GET", `${route}?${query}`);
      expectProblem(answer, 400, "invalid");
      expect(answer.body.errors).toEqual([{ path: [path], message: expect.any(String) }]);
    }
  });

  it.each([
    "starttime=yesterday",
    "starttime=2026-13-01",
    "endtime=2026-12-31",
    "starttime=",
    "starttime=02/30/2026",
    "endtime=31/12/2026",
    "starttime=01/01/0000",
    "endtime=0001-01-01T00:00:00Z",
  ])("not by %s, which it tells how to write", async (query) => {
    const message =
      "must be a time such as 2026-12-31T23:59:59Z (RFC 3339), or a day such as 12/31/2026, between 1970 and 9999";
    for (const route of [log, "/logs"]) {
      const answer = await berth.api("GET", `${route}?${query}`);
      expectProblem(answer, 400, "invalid");
      expect(answer.body.errors).toEqual([{ path: [query.split("=")[0]], message }]);
    }
  });

  it("page by page to the same, in pages of any size, and with other filters from the same place", async () => {
    const whole = await find("/logs?limit=500");
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }), async (sizes) => {
        const seen: Shown[] = [];
        for (let next = "", turn = 0; ; turn += 1) {
          const { body } = await berth.api("GET", `/logs?limit=${sizes[turn % sizes.length]}${next}`);
          seen.push(...body.logs);
          if (!body.next_page) break;
          next = `&next_page=${body.next_page}`;
        }
        expect(seen).toEqual(whole);
      }),
      { numRuns: 10 },
    );
    const { body } = await berth.api("GET", "/logs?limit=3");
    const after = `next_page=${body.next_page}&limit=500`;
    const rest = whole.slice(3);
    expect(await find(`/logs?kind=org_create&${after}`)).toEqual(rest.filter(({ kind }) => kind === "org_create"));
    expect(await find(`${log}?${after}`)).toEqual(rest.filter(({ organization }) => organization === "acme"));
  });
});

describe("the audit log is seen", () => {
  it("by who holds a role in the organization, or may see all", async () => {
    const whole = await find(log);
    for (const one of [admin, reader, auditor]) expect((await one.api("GET", log)).body.logs).toEqual(whole);
    expectProblem(await reader.api("GET", "/organization/other/logs"), 404, "not_found");
    expectProblem(await reader.api("GET", "/organization/none/logs"), 404, "not_found");
  });

  it("whole by who may see all, and by nobody else", async () => {
    expect((await auditor.api("GET", "/logs")).status).toBe(200);
    for (const one of [admin, reader]) expectProblem(await one.api("GET", "/logs"), 403, "forbidden");
    expectProblem(await admin.api("GET", "/logs?organization=acme"), 403, "forbidden");
  });

  it("and not changed, by any method there is", async () => {
    const { body: document } = await call(`${berth.url}/openapi.json`);
    const described = Object.entries<object>(document.paths).filter(([path]) => /logs?\b/.test(path));
    expect(described.map(([, methods]) => Object.keys(methods))).toEqual([["get"], ["get"]]);

    const whole = await find("/logs?limit=500");
    const [{ id } = { id: "" }] = whole;
    for (const path of ["/logs", log, `/logs/${id}`, `${log}/${id}`]) {
      for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
        const { status } = await berth.api(method, path, method === "DELETE" ? undefined : {});
        expect([404, 405], `${method} ${path}`).toContain(status);
      }
    }
    expect(await find("/logs?limit=500")).toEqual(whole);
  });
});
