import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { makePrincipal, type TestPrincipal } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

let berth: TestBerth;
let issuer: TestIssuer;

beforeAll(async () => {
  berth = await startBerth();
  issuer = await startIssuer();
});

afterAll(async () => {
  await berth.remove();
  await issuer.close();
});

const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const names = async (query = "") => {
  const { body } = await berth.api("GET", `/deleted-organizations${query}`);
  return body.deleted_organizations.map(({ name }: { name: string }) => name);
};

async function makeDeleted(name: string): Promise<void> {
  expect((await berth.api("POST", "/organization/", { name })).status).toBe(201);
  expect((await berth.api("DELETE", `/organization/${name}`)).status).toBe(204);
}

describe("the names of deleted organizations", () => {
  it.each(["/deleted-organizations", "/deleted-organizations/"])("are listed at %s by name", async (path) => {
    const name = path.endsWith("/") ? "listed-b" : "listed-a";
    await makeDeleted(name);
    const { status, body } = await berth.api("GET", path);
    expect(status).toBe(200);
    expect(body.deleted_organizations).toContainEqual({ name, created: instant, deleted: instant });
    expect(await names()).toEqual((await names()).toSorted());
  });

  it("come page by page, without the living", async () => {
    for (const name of ["paged-a", "paged-b", "paged-c"]) await makeDeleted(name);
    await berth.api("POST", "/organization/", { name: "paged-alive" });
    const all = await names();
    expect(all).not.toContain("paged-alive");
    const { body } = await berth.api("GET", "/deleted-organizations?limit=1");
    const rest = await names(`?next_page=${body.next_page}`);
    expect([body.deleted_organizations[0].name, ...rest]).toEqual(all);
  });

  it("are taken, and the refusal tells how to free one", async () => {
    await makeDeleted("taken");
    const refused = await berth.api("POST", "/organization/", { name: "taken" });
    expect(expectProblem(refused, 400, "already_exists")).toContain("DELETE /api/v1/deleted-organizations/taken");
    await berth.api("POST", "/organization/", { name: "living" });
    const twice = await berth.api("POST", "/organization/", { name: "living" });
    expect(expectProblem(twice, 400, "already_exists")).toBe("The organization living exists already.");
  });

  it("are freed once, on the record, and may be given again", async () => {
    await makeDeleted("freed");
    expect((await berth.api("DELETE", "/deleted-organizations/freed")).status).toBe(204);
    expect(await names()).not.toContain("freed");
    expectProblem(await berth.api("DELETE", "/deleted-organizations/freed"), 404, "not_found");
    const { body } = await berth.api("GET", "/logs?organization=freed&limit=1");
    expect(body.logs[0]).toMatchObject({
      kind: "org_free",
      organization: "freed",
      performer: { name: "admin" },
      metadata: { created: instant, deleted: instant },
    });
    expect((await berth.api("POST", "/organization/", { name: "freed" })).status).toBe(201);
  });

  it("are not freed under the living, and not those that never were", async () => {
    await berth.api("POST", "/organization/", { name: "alive" });
    for (const name of ["alive", "never", "Not-A-Name", "%20"]) {
      expectProblem(await berth.api("DELETE", `/deleted-organizations/${name}`), 404, "not_found");
    }
    expect((await berth.api("GET", "/organization/alive")).status).toBe(200);
  });

  it("are a superuser's to free, and a read-only one's to see", async () => {
    await makeDeleted("guarded");
    await berth.api("POST", "/organization/", { name: "own" });
    const readOnly = await makePrincipal(berth, "auditor", { super_user: "read_only" });
    const admin = await makePrincipal(berth, "own-admin", { roles: { own: "admin" } });
    expect((await readOnly.api("GET", "/deleted-organizations")).status).toBe(200);
    expectProblem(await readOnly.api("DELETE", "/deleted-organizations/guarded"), 403, "forbidden");
    expectProblem(await admin.api("GET", "/deleted-organizations"), 403, "forbidden");
    expectProblem(await admin.api("DELETE", "/deleted-organizations/guarded"), 403, "forbidden");
    expect(await names()).toContain("guarded");
  });

  it("are freed once by two who do it at a time", async () => {
    await makeDeleted("raced");
    const answers = await Promise.all([1, 2, 3].map(() => berth.api("DELETE", "/deleted-organizations/raced")));
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 404, 404]);
  });
});

describe("whoever is given the name of a deleted organization", () => {
  const pull = { scope: "repository:handed/app:pull" };
  let oldAdmin: TestPrincipal;
  let narrowed: TestPrincipal;
  let newAdmin: TestPrincipal;
  let robotToken: string;
  let staticToken: string;
  let requestId: string;

  beforeAll(async () => {
    await berth.createRobot("handed+ci", {
      federation: [{ issuer: issuer.url, subject }],
      grants: [{ repository: "handed/*", actions: ["pull"] }],
    });
    await berth.api("PATCH", "/organization/handed", {
      audiences: [berth.url],
      anonymous_pull: [{ repository: "handed/app" }],
      repository_prefixes: ["legacy"],
    });
    staticToken = (await berth.api("POST", "/organization/handed/robots/ci/regenerate")).body.token;
    const exchanged = await berth.exchange("handed+ci", await issuer.sign(berth.url));
    expect(exchanged.status).toBe(200);
    robotToken = exchanged.body.token;
    requestId = exchanged.headers.get("x-request-id") ?? "";
    oldAdmin = await makePrincipal(berth, "old-admin", { roles: { handed: "admin" } });
    narrowed = await makePrincipal(berth, "narrowed", { super_user: true }, { organizations: ["handed"] });
    expect((await narrowed.api("GET", "/organization/handed")).status).toBe(200);
    expect(await grantsOf()).not.toEqual([]);

    expect((await berth.api("DELETE", "/organization/handed")).status).toBe(204);
    berth.clock.advance(1);
    expect((await berth.api("DELETE", "/deleted-organizations/handed")).status).toBe(204);
    berth.clock.advance(1);
    expect((await berth.api("POST", "/organization/", { name: "handed" })).status).toBe(201);
    newAdmin = await makePrincipal(berth, "new-admin", { roles: { handed: "admin" } });
  });

  /** What anybody may do. */
  async function grantsOf(credential?: string): Promise<unknown> {
    const { body } = await call(`${berth.url}/v2/auth?service=${berth.host}&${new URLSearchParams(pull)}`, {
      headers: credential === undefined ? {} : { authorization: basic("handed+ci", credential) },
    });
    return body.token === undefined
      ? body
      : JSON.parse(Buffer.from(body.token.split(".")[1], "base64url").toString()).access;
  }

  it("finds no robot, member or setting of the former owner", async () => {
    expect((await newAdmin.api("GET", "/organization/handed/robots")).body).toEqual({ robots: [] });
    expect((await newAdmin.api("GET", "/organization/handed")).body).toMatchObject({
      audiences: null,
      anonymous_pull: [],
      repository_prefixes: [],
    });
    const { body } = await newAdmin.api("GET", "/organization/handed/members");
    expect(body.members.map(({ name }: { name: string }) => name)).toEqual(["new-admin"]);
    expect((await berth.api("GET", `/bindings?issuer=${encodeURIComponent(issuer.url)}`)).body.bindings).toEqual([]);
  });

  it("lets in neither the former owner's people nor a token narrowed to it", async () => {
    for (const former of [oldAdmin, narrowed]) {
      expectProblem(await former.api("GET", "/organization/handed"), 404, "not_found");
      expect((await former.api("GET", "/user/")).body.organizations).toEqual([]);
      expect((await former.api("GET", "/organization/")).body.organizations).toEqual([]);
    }
    expect((await narrowed.api("GET", "/user/")).body).toMatchObject({
      super_user: false,
      token: { organizations: [] },
    });
  });

  it("lets in none of its robots, though one of the same name is made again", async () => {
    const external = await issuer.sign(berth.url);
    expect((await berth.exchange("handed+ci", external)).body.code).toBe("token_refused");
    expect((await newAdmin.api("PUT", "/organization/handed/robots/ci", {})).body).toMatchObject({
      description: "",
      created_by: "new-admin",
      last_accessed: null,
    });
    expect((await berth.exchange("handed+ci", external)).body.code).toBe("token_refused");
    for (const former of [robotToken, staticToken]) {
      const body = await grantsOf(former);
      expect(body).toMatchObject({ errors: [{ code: "UNAUTHORIZED" }] });
    }
    expect((await newAdmin.api("GET", "/organization/handed/robots/ci/grants")).body).toEqual([]);
    expect((await newAdmin.api("GET", "/organization/handed/robots/ci/usage")).body.usage).toEqual([]);
  });

  it("gives nobody what everybody could pull before", async () => {
    expect(await grantsOf()).toEqual([]);
  });

  it("sees nothing of what the former owner did, which superusers go on seeing", async () => {
    const { body } = await newAdmin.api("GET", "/organization/handed/logs?starttime=2000-01-01T00:00:00Z");
    const kinds = body.logs.map(({ kind }: { kind: string }) => kind);
    expect(kinds.at(-1)).toBe("org_create");
    expect(kinds).not.toContain("org_delete");
    expect((await newAdmin.api("GET", `/organization/handed/logs?request_id=${requestId}`)).body.logs).toEqual([]);
    const whole = (await berth.api("GET", "/logs?organization=handed&limit=500")).body.logs;
    expect(whole.map(({ kind }: { kind: string }) => kind)).toEqual(
      expect.arrayContaining(["org_delete", "org_free", "federated_robot_token_exchange"]),
    );
  });

  it("is not told why a former robot of the same name was let in", async () => {
    const path = `/organization/handed/robots/ci/federation/explain/${requestId}`;
    expectProblem(await newAdmin.api("GET", path), 404, "not_found");
  });
});
