import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { callRaw } from "../support/problems.ts";

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
  await berth.createRobot("acme+ci", {});
});

afterAll(() => berth.remove());

const robot = "/organization/acme/robots/ci";
const hostileText = fc.constantFrom(
  "\u0000",
  "\ud800",
  "a\u0000",
  "__proto__",
  "constructor",
  "*",
  "",
  "0000-01-01T00:00:00Z",
);
const anything = fc.oneof(
  hostileText,
  fc.string({ unit: "binary" }),
  fc.jsonValue(),
  fc.constantFrom(1e308, -1e308, 5e-324, 2 ** 53, -0, 2 ** 31, 1e21),
);
const almost = (names: readonly string[]) =>
  fc.dictionary(fc.oneof(fc.constantFrom(...names), hostileText), anything, { maxKeys: 4 });

const binding = almost([
  "audiences",
  "clients",
  "claims",
  "token_ttl",
  "scope",
  "mode",
  "api",
  "expires_at",
  "description",
  "id",
]).map((given) => ({ issuer: "https://ci.example", subject: "repo:acme/app", ...given }));
const condition = almost(["equals", "in", "prefix", "contains"]);
const conditioned = fc.dictionary(fc.oneof(hostileText, fc.string()), condition, { maxKeys: 3 }).map((claims) => ({
  issuer: "https://ci.example",
  subject: "repo:acme/app",
  claims,
}));
const grant = almost(["registry", "repository", "actions", "catalog"]);

const pull = almost(["registry", "repository"]).map((given) => ({ repository: "acme/app", ...given }));
const prefix = fc.oneof(fc.constantFrom("legacy", "legacy/", "legacy/*"), anything);

/** Every route that takes a body, with bodies that it might almost take. */
const routes: [string, string, fc.Arbitrary<unknown>][] = [
  ["POST", "/organization/", almost(["name", "email"])],
  ["PATCH", "/organization/acme", almost(["email", "clients", "audiences"])],
  ["PUT", "/organization/acme", almost(["email", "clients", "audiences"])],
  ["PUT", robot, almost(["description", "unstructured_metadata"])],
  ["PATCH", robot, almost(["description", "unstructured_metadata", "disabled"])],
  ["POST", `${robot}/federation`, fc.array(fc.oneof(binding, conditioned), { maxLength: 3 })],
  ["PUT", `${robot}/grants`, fc.array(grant, { maxLength: 3 })],
  ["PATCH", "/organization/acme", almost(["robot_tokens", "anonymous_pull", "repository_prefixes"])],
  ["PATCH", "/organization/acme", fc.array(pull, { maxLength: 3 }).map((anonymous_pull) => ({ anonymous_pull }))],
  ["PATCH", "/organization/acme", fc.array(prefix).map((repository_prefixes) => ({ repository_prefixes }))],
  ["POST", `${robot}/regenerate`, almost(["expires_at", "keep_old_seconds"])],
  ["PUT", "/repository/acme/app/permissions/user/acme+ci", almost(["role"])],
];

/** Mostly what a route might almost take, then any JSON, then any text. */
const rawBody = (body: fc.Arbitrary<unknown>) =>
  fc.oneof(
    { weight: 6, arbitrary: body.map((value) => JSON.stringify(value) ?? "null") },
    { weight: 3, arbitrary: fc.jsonValue().map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
  );

describe("any body", () => {
  it.each(routes)("%s %s answers it without breaking", async (method, path, body) => {
    await fc.assert(
      fc.asyncProperty(rawBody(body), async (text) => {
        const { status, body: answer } = await callRaw(berth, method, path, text);
        expect([200, 201, 400, 404, 409], JSON.stringify(answer)).toContain(status);
      }),
      { numRuns: 150 },
    );
  });

  it("leaves the robot readable", async () => {
    for (const path of [robot, `${robot}/federation`, `${robot}/grants`, "/logs", "/organization/"]) {
      expect((await berth.api("GET", path)).status).toBe(200);
    }
  });
});

describe("any address", () => {
  const segment = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("acme", "ci", "..", "%", "%ff", "\u0000", "+"),
  );
  const encoded = segment.map((text) => encodeURIComponent(text.toWellFormed()));
  const query = fc.dictionary(
    fc.constantFrom("limit", "next_page", "kind", "robot", "outcome", "request_id", "starttime", "endtime", "x"),
    fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("0000-01-01T00:00:00Z", "1e9", "\u0000", "-1")),
    { maxKeys: 2 },
  );

  it("of the API is answered without breaking", async () => {
    const path = fc.oneof(
      encoded.map((org) => `/organization/${org}`),
      fc.tuple(encoded, encoded).map(([org, name]) => `/organization/${org}/robots/${name}`),
      encoded.map((name) => `/organization/acme/robots/${name}/federation`),
      encoded.map((name) => `/organization/acme/robots/${name}/grants`),
      encoded.map((name) => `/organization/acme/robots/${name}/permissions`),
      fc.tuple(encoded, encoded).map(([repository, user]) => `/repository/acme/${repository}/permissions/user/${user}`),
      fc.constantFrom("/organization/", "/organization/acme/robots", "/organization/acme/logs", "/logs"),
    );
    await fc.assert(
      fc.asyncProperty(path, query, fc.constantFrom("GET", "GET", "DELETE"), async (at, parameters, method) => {
        if (method === "DELETE" && /robots\/ci|organization\/acme$|\.\./.test(at)) return;
        const sent = new URLSearchParams(
          Object.entries(parameters).map(([name, value]): [string, string] => [name, value.toWellFormed()]),
        );
        const { status, body } = await callRaw(berth, method, `${at}?${sent}`, undefined, {});
        expect([200, 204, 400, 404, 405], JSON.stringify(body)).toContain(status);
      }),
      { numRuns: 300 },
    );
  });

  it("of the registry's surface is answered without breaking", async () => {
    const path = fc.oneof(
      encoded.map((service) => `/registries/${service}/certs.pem`),
      fc.tuple(encoded, encoded).map(([service, scope]) => `/v2/auth?service=${service}&scope=${scope}`),
      fc
        .tuple(encoded, encoded)
        .map(([account, scope]) => `/auth/token?account=${account}&scope=repository:${scope}:pull`),
    );
    await fc.assert(
      fc.asyncProperty(path, async (at) => {
        const { status } = await fetch(berth.url + at);
        expect([200, 400, 401, 404]).toContain(status);
      }),
      { numRuns: 200 },
    );
  });
});
