import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { type Edit, type EditableThing, edits } from "../support/editable-things.ts";
import { type ManagementCall, managementBy } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

/** Whoever edits what somebody else has changed meanwhile is told so, and changes nothing. */

let berth: TestBerth;
let ask: ManagementCall;
let operations: Map<string, { readonly method: string; readonly declaresTag: boolean }>;

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly $ref?: string }[];
  readonly responses: Readonly<Record<string, { readonly headers?: object }>>;
}

beforeAll(async () => {
  berth = await startBerth();
  ask = managementBy(berth, berth.adminToken);
  await ask("POST", "/organization/", { name: "acme" });
  const { paths } = (await call(`${berth.url}/openapi.json`)).body;
  const all = Object.values<Record<string, Operation>>(paths).flatMap((methods) => Object.entries(methods));
  operations = new Map(
    all
      .filter(([, { parameters }]) => parameters?.some(({ $ref }) => $ref?.endsWith("/IfMatch")))
      .map(([method, { operationId, responses }]) => [
        operationId,
        { method: method.toUpperCase(), declaresTag: "ETag" in (responses["200"]?.headers ?? {}) },
      ]),
  );
});

afterAll(() => berth.remove());

it("every operation that takes If-Match is known to this test", () => {
  // It makes a robot, and so has nothing to match.
  expect([...operations.keys()].toSorted()).toEqual([...Object.keys(edits), "putRobot"].toSorted());
});

describe.each(Object.entries(edits))("%s", (operation, { make, body }: Edit) => {
  const edit = ({ read }: EditableThing, ifMatch: string) =>
    ask(operations.get(operation)?.method ?? "", read, body, { "if-match": ifMatch });

  /** A new thing with the tag that it is read with. */
  async function tagged() {
    const thing = await make(ask);
    const { headers, body: shown } = await ask("GET", thing.read);
    const tag = headers.get("etag") ?? thing.etag ?? "";
    expect(tag).toMatch(/^"[\w-]{20,}"$/);
    expect(thing.etag ?? tag, "of the answer that made it").toBe(tag);
    return { thing, tag, shown };
  }

  it("is refused with a tag that the thing has not, however it is written, and changes nothing", async () => {
    const { thing, tag, shown } = await tagged();
    const bare = tag.slice(1, -1);
    for (const stale of ['"stale"', '""', `W/${tag}`, `"${bare}x"`, `"${bare.toLowerCase()}x"`, `"a", W/${tag}, "*"`]) {
      const detail = expectProblem(await edit(thing, stale), 412, "precondition_failed");
      expect(detail).toContain(tag);
    }
    for (const malformed of ["", " ", bare, `"${bare}`, `${tag} ${tag}`, `${tag},`, `*, ${tag}`, "**", `w/${tag}`]) {
      const refused = await edit(thing, malformed);
      expectProblem(refused, 400, "invalid");
      expect(refused.body.errors[0].path).toEqual(["If-Match"]);
    }
    expect((await ask("GET", thing.read)).body).toEqual(shown);
  });

  it.each([
    ["its tag", (tag: string) => tag],
    ["a list with its tag", (tag: string) => `"other" , W/"weak",${tag}`],
    ["any", () => " * "],
  ])("is done with %s, after which the tag is another", async (_, written) => {
    const { thing, tag } = await tagged();
    const done = await edit(thing, written(tag));
    expect(done.status, JSON.stringify(done.body)).toBeLessThan(300);
    const after = await ask("GET", thing.read);
    if (operations.get(operation)?.method !== "DELETE") {
      const next = after.headers.get("etag");
      expect(next).toMatch(/^"[\w-]{20,}"$/);
      expect(next).not.toBe(tag);
      // The document of the whole service is written for who asks for it alone.
      const isTold = operation !== "putState";
      expect(done.headers.get("etag")).toBe(isTold ? next : null);
      expect(operations.get(operation)?.declaresTag, "in the description").toBe(isTold);
    }
    const again = await edit(thing, tag);
    expect([404, 412], JSON.stringify(again.body)).toContain(again.status);
  });
});

it.each(Object.entries(edits).filter(([, { absent }]) => absent))(
  "%s edits nothing that is not there",
  async (...[operation, { absent, body }]) => {
    const refused = await ask(operations.get(operation)?.method ?? "", `${absent}`, body, { "if-match": "*" });
    expect([404, 412]).toContain(refused.status);
    expectProblem(refused, refused.status, refused.status === 404 ? "not_found" : "precondition_failed");
  },
);

it("a robot is not made where one is to be matched", async () => {
  const path = "/organization/acme/robots/unmatched";
  for (const tag of ["*", '"any"']) {
    expectProblem(await ask("PUT", path, {}, { "if-match": tag }), 412, "precondition_failed");
  }
  expect((await ask("GET", path)).status).toBe(404);
});

it("a robot that is there is not made again, whatever is to be matched, and that is told", async () => {
  const path = "/organization/acme/robots/there";
  expect((await ask("PUT", path, {})).status).toBe(201);
  for (const tag of ["*", '"any"']) {
    const refused = await ask("PUT", path, {}, { "if-match": tag });
    expect(expectProblem(refused, 400, "already_exists")).toBe("Existing robot with name: acme+there");
  }
});

it("a weak tag is told to match nothing, since a proxy may have made it so", async () => {
  const { headers } = await ask("GET", "/organization/acme");
  const refused = await ask("PATCH", "/organization/acme", {}, { "if-match": `W/${headers.get("etag")}` });
  expect(expectProblem(refused, 412, "precondition_failed")).toContain("weak entity tag");
});
