import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { expectProblem } from "../support/problems.ts";

let berth: TestBerth;
/** The methods of each path, as the API describes itself. */
let methods: [string, string[]][];

beforeAll(async () => {
  berth = await startBerth();
  const { body } = await call(`${berth.url}/openapi.json`);
  methods = Object.entries<object>(body.paths).map(([path, item]) => [
    path.replaceAll(/\{\w+\}/g, "x"),
    Object.keys(item).map((method) => method.toUpperCase()),
  ]);
});

afterAll(() => berth.remove());

const ask = (method: string, path: string, headers: Record<string, string> = {}) =>
  call(berth.url + path, { method, headers: { authorization: `Bearer ${berth.adminToken}`, ...headers } });

describe("a method that a path does not have", () => {
  it("is 405, and told those that it has", async () => {
    expect(methods.length).toBeGreaterThan(30);
    for (const [path, served] of methods) {
      const allowed = served.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method])).sort();
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
        if (served.includes(method)) continue;
        const answer = await ask(method, path);
        expect(expectProblem(answer, 405, "method_not_allowed"), `${method} ${path}`).toContain(method);
        expect(answer.headers.get("allow")?.split(", ").sort(), path).toEqual(allowed);
      }
    }
  });

  it("is 405 with a final slash too", async () => {
    const answer = await ask("PUT", "/api/v1/user/");
    expectProblem(answer, 405, "method_not_allowed");
    expect(answer.headers.get("allow")).toBe("GET, HEAD");
  });

  it("is 405 where a repository's name holds slashes", async () => {
    const path = "/api/v1/repository/acme/a/b/permissions/user/";
    expect((await ask("DELETE", path)).headers.get("allow")).toBe("GET, HEAD");
    expect((await ask("POST", `${path}acme+ci`)).headers.get("allow")).toBe("DELETE, GET, HEAD, PUT");
  });

  it.each(["/openapi.json", "/docs"])("is 405 at %s", async (path) => {
    expectProblem(await ask("POST", path), 405, "method_not_allowed");
  });

  it("is told to nobody without an API token", async () => {
    expectProblem(await ask("PUT", "/api/v1/user", { authorization: "Bearer unknown" }), 401, "unauthenticated");
    expectProblem(await ask("OPTIONS", "/api/v1/user", { authorization: "" }), 401, "unauthenticated");
  });
});

describe("HEAD", () => {
  const head = (path: string) =>
    fetch(berth.url + path, { method: "HEAD", headers: { authorization: `Bearer ${berth.adminToken}` } });

  it("works where GET does, without the body", async () => {
    for (const path of ["/api/v1/user", "/api/v1/organization", "/openapi.json"]) {
      const { status, headers } = await head(path);
      expect(status, path).toBe(200);
      expect(headers.get("content-type"), path).toContain("application/json");
    }
  });

  it("is 405 where there is no GET", async () => {
    const { status, headers } = await head("/api/v1/keys/rotate");
    expect(status).toBe(405);
    expect(headers.get("allow")).toBe("POST");
  });
});

describe("a path that there is not", () => {
  it.each(["GET", "PUT", "OPTIONS"])("is 404: %s", async (method) => {
    for (const path of ["/api/v1/", "/api/v1/users", "/api/v1/organization/acme/nothing", "/api/v1/user/x/y"]) {
      expectProblem(await ask(method, path), 404, "not_found");
    }
  });
});
