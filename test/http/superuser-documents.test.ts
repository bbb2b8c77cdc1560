import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { type ManagementCall, makePrincipal, type TestPrincipal } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

/** A superuser who keeps the service in git does not shut itself out by a document. */

let berth: TestBerth;
let terraform: TestPrincipal;
let made = 0;

beforeAll(async () => {
  berth = await startBerth();
});

afterAll(() => berth.remove());

beforeEach(async () => {
  made += 1;
  terraform = await makePrincipal(berth, `terraform-${made}`, { super_user: true });
});

const change = async (ask: ManagementCall, document: object) => {
  const { status, body } = await ask("PUT", "/state", document);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.changes.map(({ action, name }: Record<string, string>) => `${action} ${name}`);
};

describe("whoever puts the document of the service", () => {
  it("is told where it leaves itself out, and all but it and the bootstrap superuser go where it does not", async () => {
    await makePrincipal(berth, `auditor-${made}`, { super_user: "read_only" });
    const refused = await terraform.api("PUT", "/state", { principals: {}, unlisted: "delete" });
    expect(expectProblem(refused, 400, "invalid")).toContain(`leaves out ${terraform.name}, as whom you do this`);
    expect((await berth.api("GET", `/principals/auditor-${made}`)).status).toBe(200);
    const changes = await change(terraform.api, { principals: { [terraform.name]: {} }, unlisted: "delete" });
    expect(changes).toContain(`delete auditor-${made}`);
    const { principals } = (await berth.api("GET", "/principals")).body;
    expect(principals.map(({ name }: { name: string }) => name)).toEqual(["admin", terraform.name]);
  });

  it.each([false, "read_only"])("does not make itself super_user: %j", async (super_user) => {
    const document = { principals: { [terraform.name]: { super_user }, fresh: {} } };
    for (const query of ["", "?dry_run=true"]) {
      const refused = await terraform.api("PUT", `/state${query}`, document);
      expectProblem(refused, 400, "invalid");
      expect(refused.body.errors).toMatchObject([{ path: ["principals", terraform.name, "super_user"] }]);
    }
    expect((await terraform.api("GET", "/user")).body.super_user).toBe(true);
    expect((await berth.api("GET", "/principals/fresh")).status).toBe(404);
  });

  it("may describe itself, and be changed by another's document", async () => {
    const { name } = terraform;
    expect(await change(terraform.api, { principals: { [name]: { description: "of git" } } })).toEqual([
      `change ${name}`,
    ]);
    const other = await makePrincipal(berth, `other-${made}`, { super_user: true });
    expect(await change(other.api, { principals: { [name]: { super_user: false } } })).toEqual([`change ${name}`]);
    expect((await terraform.api("PUT", "/state", {})).status).toBe(403);
  });
});

it("a document with many problems, some of them forbidden, is answered with no more of them than help", async () => {
  await berth.createRobot("acme+ci");
  const boss = await makePrincipal(berth, "boss", { roles: { acme: "admin" } });
  const some = Array.from({ length: 0.6 * limits.problems }, (_, index) => `some-${index}`);
  const document = {
    robots: { ci: { grants: some.map((name) => ({ repository: `beta/${name}`, actions: ["pull"] })) } },
    prototypes: Object.fromEntries(some.map((name) => [name, "read"])),
  };
  const refused = await boss.api("PUT", "/organization/acme/state", document);
  expectProblem(refused, 403, "forbidden");
  expect(refused.body.errors).toHaveLength(limits.problems);
});
