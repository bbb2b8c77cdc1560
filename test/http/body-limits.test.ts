import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { call, startBerth, type TestBerth } from "../support/berth.ts";

/** No path takes more of a body than it has a use for, whatever it says of its length. */

const FORM = "application/x-www-form-urlencoded";
const JSON_TYPE = "application/json";
let berth: TestBerth;
let paths: string[];

beforeAll(async () => {
  berth = await startBerth();
  const { body } = await call(`${berth.url}/openapi.json`);
  paths = Object.keys(body.paths).map((path) => path.replaceAll(/\{\w+\}/g, "xx"));
});

afterAll(() => berth.remove());

async function statusOf(method: string, path: string, body: string, type: string): Promise<number> {
  const headers = { authorization: `Bearer ${berth.adminToken}`, "content-type": type };
  return (await call(berth.url + path, { method, headers, body })).status;
}

describe("a body beyond what its path takes", () => {
  it("is 413 everywhere in the management API, also where there is no such method", async () => {
    const { apiBodyBytes } = limits.http;
    expect(paths.length).toBeGreaterThan(40);
    for (const path of [...paths, "/api/v1/nothing"]) {
      const most = path.endsWith("/state") ? limits.state.bodyBytes : apiBodyBytes;
      for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
        const status = await statusOf(method, path, " ".repeat(most + 1), JSON_TYPE);
        expect({ method, path, status }).toEqual({ method, path, status: 413 });
      }
    }
  });

  it("is 413 where tokens are asked for", async () => {
    const body = " ".repeat(limits.http.exchangeBodyBytes + 1);
    for (const path of [
      ...["/oauth2/token", "/oauth2/revoke", "/oauth2/federation/robot/token", "/oauth2/nothing"],
      ...["/v2/auth", "/auth/token", "/auth"],
    ]) {
      expect({ path, status: await statusOf("POST", path, body, FORM) }).toEqual({ path, status: 413 });
    }
  });

  it("is not read where nobody wants one", async () => {
    for (const path of [
      "/",
      "/nothing",
      "/healthz",
      "/readyz",
      "/v2/",
      "/docs",
      "/openapi.json",
      "/.well-known/jwks.json",
    ]) {
      expect([404, 405], path).toContain(await statusOf("POST", path, "x".repeat(100), FORM));
    }
  });
});

/** Sends a body that never ends, and tells how much of it went before the connection did. */
function pour(path: string, type: string): Promise<{ status: number; bytes: number }> {
  const chunk = `10000\r\n${" ".repeat(65_536)}\r\n`;
  return new Promise((resolve) => {
    let bytes = 0;
    let answer = "";
    const socket = connect(Number(new URL(berth.url).port), "127.0.0.1", () => {
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: berth\r\nAuthorization: Bearer ${berth.adminToken}\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`,
      );
      more();
    });
    const more = () => {
      while (!socket.destroyed && socket.writable && bytes < ENDLESS) {
        bytes += chunk.length;
        if (!socket.write(chunk)) return;
      }
    };
    socket.on("drain", more);
    socket.on("data", (data) => {
      answer += data;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]), bytes }));
  });
}

const ENDLESS = 256 * 1024 * 1024;

describe("a body without an end", () => {
  it.each([
    ["/api/v1/organization", JSON_TYPE],
    ["/api/v1/state", JSON_TYPE],
    ["/oauth2/token", FORM],
    ["/v2/auth", FORM],
    ["/nothing", FORM],
  ])("is given up on: %s", async (path, type) => {
    const { status, bytes } = await pour(path, type);
    expect([413, 404]).toContain(status);
    expect(bytes).toBeLessThan(ENDLESS / 4);
  });
});
