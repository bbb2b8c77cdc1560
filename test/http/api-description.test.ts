import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { redocly, writeDescription } from "../support/redocly.ts";

let berth: TestBerth;
let directory: string;
// biome-ignore lint/suspicious/noExplicitAny: the tests look into the whole of it
let description: any;

beforeAll(async () => {
  [berth, directory] = await Promise.all([startBerth(), mkdtemp(join(tmpdir(), "berth-description-"))]);
  await writeDescription(directory, berth.url);
  description = (await call(`${berth.url}/openapi.json`)).body;
});

afterAll(async () => {
  await Promise.all([berth.remove(), rm(directory, { recursive: true, force: true })]);
});

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly responses: Readonly<Record<string, { readonly $ref?: string }>>;
  readonly security: unknown;
  readonly parameters?: readonly { readonly $ref?: string }[];
}

const operations = (): [method: string, path: string, operation: Operation][] =>
  Object.entries<Record<string, Operation>>(description.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]): [string, string, Operation] => [method, path, operation]),
  );

describe("the API's description", () => {
  it("has nothing that Redocly's recommended rules would report, not even a warning", async () => {
    const { stdout } = await redocly(directory, "lint", "--extends=recommended-strict", "--format=json");
    const { totals, problems } = JSON.parse(stdout);
    expect(problems).toEqual([]);
    expect(totals).toMatchObject({ errors: 0, warnings: 0 });
  });

  it("names every operation by what it does, for the methods of generated clients", () => {
    const names = operations().map(([, , { operationId }]) => operationId);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z]+([A-Z][a-z]+)+$/);
    expect(names).toEqual(
      expect.arrayContaining([
        ...["getUser", "getOrganizations", "createOrganization", "getRobot", "putRobot", "patchRobot", "deleteRobot"],
        ...["regenerateRobot", "rotateRegistry", "refreshIssuer", "replaceRobotFederation", "createPrincipalToken"],
      ]),
    );
  });

  it("puts every operation into one of the groups that it tells of", () => {
    const groups = description.tags.map(({ name }: { name: string }) => name);
    expect(new Set(operations().map(([, , { tags }]) => tags[0]))).toEqual(new Set(groups));
    expect(operations().every(([, , { tags }]) => tags.length === 1)).toBe(true);
  });

  it("tells of each operation that it needs a token, and with what it may be refused", () => {
    for (const [method, path, { responses, security, operationId }] of operations()) {
      expect(security, operationId).toEqual([{ apiToken: [] }]);
      const expected = ["400", "401", "403", "503"];
      if (path.includes("{")) expected.push("404");
      if (method !== "get") expected.push("409", "413");
      expect(Object.keys(responses), operationId).toEqual(expect.arrayContaining(expected));
    }
  });

  it("has one body for every refusal", () => {
    const { schemas, responses } = description.components;
    for (const { content } of Object.values<{ content: unknown }>(responses)) {
      expect(content).toEqual({ "application/json": { schema: { $ref: "#/components/schemas/Problem" } } });
    }
    expect(Object.keys(schemas.Problem.properties).sort()).toEqual(
      ["type", "title", "status", "detail", "error_type", "error_message", "code", "request_id", "errors"].sort(),
    );
  });

  it("shows entity tags where it takes If-Match", () => {
    const editable = operations().filter(([, , { parameters }]) =>
      parameters?.some(({ $ref }) => $ref === "#/components/parameters/IfMatch"),
    );
    expect(editable.length).toBeGreaterThan(15);
    for (const [, path, { responses, operationId }] of editable) {
      expect(responses, operationId).toHaveProperty("412");
      const tags = Object.values<Operation>(description.paths[path]).flatMap((operation) =>
        Object.values(operation.responses).filter((response) => "headers" in response),
      );
      expect(tags.length, `${path} shows no ETag`).toBeGreaterThan(0);
    }
  });

  it("names this service, its licence and no other host", () => {
    expect(description.servers).toEqual([{ url: berth.url }]);
    expect(description.info.license).toEqual({ name: "Apache License 2.0", identifier: "Apache-2.0" });
  });

  it("is told without a token, for it holds no secret", async () => {
    const { status, headers } = await call(`${berth.url}/openapi.json`);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toContain("application/json");
  });
});
