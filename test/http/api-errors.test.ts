import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { callRaw, expectProblem } from "../support/problems.ts";

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
  await berth.createRobot("acme+ci", {});
});

afterAll(() => berth.remove());

const robot = "/organization/acme/robots/ci";

describe("a management call without a good API token", () => {
  it.each<[string, Record<string, string>]>([
    ["no header", {}],
    ["another token", { authorization: "Bearer not-the-token" }],
    ["an empty token", { authorization: "Bearer " }],
    ["Basic", { authorization: "Basic YWRtaW46YWRtaW4=" }],
    ["two tokens", { authorization: "Bearer a b" }],
  ])("is 401: %s", async (_, headers) => {
    for (const path of ["/user/", "/organization/", robot, "/logs", "/no/such/route"]) {
      expectProblem(await call(`${berth.url}/api/v1${path}`, { headers }), 401, "unauthenticated");
    }
  });

  it("changes nothing", async () => {
    const headers = { "content-type": "application/json", authorization: "Bearer wrong" };
    await call(`${berth.url}/api/v1/organization/`, { method: "POST", headers, body: '{"name":"intruder"}' });
    expectProblem(await berth.api("GET", "/organization/intruder"), 404, "not_found");
  });
});

describe("what is not there", () => {
  it.each([
    ["GET", "/no/such/route"],
    ["GET", "/organization/none"],
    ["DELETE", "/organization/none"],
    ["GET", "/organization/none/robots"],
    ["GET", "/organization/none/robots/ci"],
    ["GET", "/organization/acme/robots/none"],
    ["DELETE", "/organization/acme/robots/none"],
    ["GET", "/organization/acme/robots/none/federation"],
    ["DELETE", "/organization/acme/robots/none/federation"],
    ["GET", "/organization/acme/robots/none/grants"],
    ["GET", "/organization/none/logs"],
    ["GET", "/organization/ACME"],
    ["GET", "/organization/%2e%2e"],
  ])("is 404: %s %s", async (method, path) => {
    expectProblem(await berth.api(method, path), 404, "not_found");
  });

  it.each([
    ["PATCH", "/organization/none", {}],
    ["PUT", "/organization/none/robots/ci", {}],
    ["PATCH", "/organization/acme/robots/none", { disabled: true }],
    ["POST", "/organization/acme/robots/none/federation", []],
    ["PUT", "/organization/acme/robots/none/grants", []],
  ])("is 404: %s %s", async (method, path, body) => {
    expectProblem(await berth.api(method, path, body), 404, "not_found");
  });

  it("is 404 beside the API too", async () => {
    for (const path of ["/", "/nothing", "/api", "/api/v2/user"]) {
      expectProblem(await call(berth.url + path), 404, "not_found");
    }
  });
});

describe("a body that cannot be read", () => {
  it.each<[string, string]>([
    ["is not JSON", "{name"],
    ["is cut short", '{"name":"x"'],
    ["is two", "{}{}"],
    ["is HTML", "<p>"],
    ["starts with a byte order mark and nothing else", "\ufeff"],
    ["is nested without end", "[".repeat(100_000)],
  ])("is 400: it %s", async (_, body) => {
    expectProblem(await callRaw(berth, "POST", "/organization/", body), 400, "invalid");
    expectProblem(await callRaw(berth, "POST", `${robot}/federation`, body), 400, "invalid");
  });

  it.each(["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data; boundary=x"])(
    "is 400: it comes as %s",
    async (contentType) => {
      const answer = await callRaw(berth, "POST", "/organization/", '{"name":"typed"}', {
        "content-type": contentType,
      });
      expect(expectProblem(answer, 400, "invalid")).toContain("application/json");
    },
  );

  it("may come as JSON that names its character set", async () => {
    const headers = { "content-type": "application/json; charset=utf-8" };
    expect((await callRaw(berth, "POST", "/organization/", '{"name":"charset"}', headers)).status).toBe(201);
  });

  it.each([
    ["POST", "/organization/"],
    ["POST", `${robot}/federation`],
    ["PUT", `${robot}/grants`],
  ])("is 400 where one is needed and there is none: %s %s", async (method, path) => {
    for (const headers of [{}, { "content-type": "application/json" }]) {
      expectProblem(await callRaw(berth, method, path, undefined, headers as Record<string, string>), 400, "invalid");
    }
  });

  it("is 413 over 1 MiB", async () => {
    const body = JSON.stringify({ name: "x", padding: "x".repeat(1024 * 1024) });
    expectProblem(await callRaw(berth, "POST", "/organization/", body), 413, "body_too_large");
  });

  it("is answered in proportion, however many problems it has", async () => {
    const body = `[${Array(100_000).fill('"\\u0000"').join(",")}]`;
    const answer = await callRaw(berth, "POST", `${robot}/federation`, body);
    expectProblem(answer, 400, "invalid");
    expect(JSON.stringify(answer.body).length).toBeLessThan(100_000);
  });
});

describe("a value that cannot be kept", () => {
  it.each<[string, string, string, string]>([
    ["NUL in a name", "POST", "/organization/", '{"name":"a\\u0000b"}'],
    ["NUL in an address", "POST", "/organization/", '{"name":"mailed","email":"\\u0000"}'],
    ["half a character in an address", "POST", "/organization/", '{"name":"mailed","email":"\\ud800"}'],
    ["NUL in an audience", "PATCH", "/organization/acme", '{"audiences":["\\u0000"]}'],
    ["NUL in a description", "PATCH", robot, '{"description":"\\u0000"}'],
    ["NUL in metadata", "PATCH", robot, '{"unstructured_metadata":{"a":["\\u0000"]}}'],
    ["NUL in a name within metadata", "PATCH", robot, '{"unstructured_metadata":{"\\u0000":1}}'],
    ["half a character in metadata", "PATCH", robot, '{"unstructured_metadata":{"a":{"b":"\\udc00"}}}'],
    ["NUL in a grant", "PUT", `${robot}/grants`, '[{"repository":"a\\u0000","actions":["pull"]}]'],
    ["NUL in a registry", "PUT", `${robot}/grants`, '[{"registry":"\\u0000","repository":"a","actions":["pull"]}]'],
    ["NUL in a subject", "POST", `${robot}/federation`, '[{"issuer":"https://ci.example","subject":"a\\u0000"}]'],
    [
      "half a character in a condition",
      "POST",
      `${robot}/federation`,
      '[{"issuer":"https://ci.example","subject":"a","claims":{"a":{"equals":"\\ud800"}}}]',
    ],
    [
      "NUL in a claim's name",
      "POST",
      `${robot}/federation`,
      '[{"issuer":"https://ci.example","subject":"a","claims":{"\\u0000":{"equals":"x"}}}]',
    ],
    [
      "NUL in a scope",
      "POST",
      `${robot}/federation`,
      '[{"issuer":"https://ci.example","subject":"a","scope":"repository:a:pull\\u0000"}]',
    ],
    [
      "a year before the first",
      "POST",
      `${robot}/federation`,
      '[{"issuer":"https://ci.example","subject":"a","expires_at":"0000-01-01T00:00:00Z"}]',
    ],
    [
      "a year beyond the last",
      "POST",
      `${robot}/federation`,
      '[{"issuer":"https://ci.example","subject":"a","expires_at":"+99999-01-01T00:00:00Z"}]',
    ],
    [
      "a day that is none",
      "POST",
      `${robot}/federation`,
      '[{"issuer":"https://ci.example","subject":"a","expires_at":"2030-02-30T00:00:00Z"}]',
    ],
    [
      "a number that overflows",
      "POST",
      `${robot}/federation`,
      '[{"issuer":"https://ci.example","subject":"a","token_ttl":1e400}]',
    ],
    [
      "a condition that overflows",
      "POST",
      `${robot}/federation`,
      '[{"issuer":"https://ci.example","subject":"a","claims":{"a":{"equals":1e400}}}]',
    ],
    ["an id that is none", "POST", `${robot}/federation`, '[{"issuer":"https://ci.example","subject":"a","id":"1"}]'],
  ])("is 400: %s", async (_, method, path, body) => {
    expectProblem(await callRaw(berth, method, path, body), 400, "invalid");
  });

  it.each([
    "/organization/a%00b",
    "/organization/acme/robots/%00",
    "/organization/?next_page=%00",
    "/organization/acme/robots?next_page=%00",
    "/logs?robot=%00",
    "/logs?kind=%00",
    "/logs?request_id=%00",
    "/logs?starttime=0000-01-01T00:00:00Z",
    "/logs?endtime=yesterday",
    "/logs?next_page=1",
    "/logs?outcome=maybe",
    "/logs?limit=0",
    "/logs?limit=501",
    "/logs?limit=1e99",
    "/organization/?limit=-1",
    "/organization/acme/logs?starttime=+99999-01-01T00:00:00Z",
  ])("is 400: GET %s", async (path) => {
    expectProblem(await berth.api("GET", path), 400, "invalid");
  });

  it("tells every problem, each with its place", async () => {
    const answer = await berth.api("POST", `${robot}/federation`, [
      { issuer: "http://x.example/?q", subject: "a" },
      { issuer: "https://ci.example", subject: "*", token_ttl: 61, scope: "x", audiences: [] },
    ]);
    expectProblem(answer, 400, "invalid");
    expect(answer.body.errors.map(({ path }: { path: unknown[] }) => path.join("."))).toEqual([
      "0.issuer",
      "1.subject",
      "1.audiences",
      "1.scope",
    ]);
  });
});
