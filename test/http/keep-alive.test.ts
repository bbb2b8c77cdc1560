import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";

let berth: TestBerth;
/** All requests of a test share one connection, as those of many people do behind a proxy. */
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

beforeAll(async () => {
  berth = await startBerth();
});

afterAll(async () => {
  agent.destroy();
  await berth.remove();
});

function send(method: string, path: string, headers: Record<string, string> = {}, body = ""): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(`${berth.url}${path}`, { agent, method, headers }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode ?? 0));
    });
    sent.on("error", reject).end(body);
  });
}

it.each<[string, string, string, number, number]>([
  ["of the wrong type", "/api/v1/organization/", "text/plain", 900_000, 400],
  ["that is too large", "/api/v1/organization/", "application/json", 2_000_000, 413],
  ["that is too large for the exchange", "/oauth2/token", "application/x-www-form-urlencoded", 200_000, 413],
  ["that nobody asked for", "/nothing", "text/plain", 900_000, 404],
])("a body %s does not break the connection for whoever comes next", async (_, path, type, bytes, status) => {
  const headers = { authorization: `Bearer ${berth.adminToken}`, "content-type": type };
  expect(await send("POST", path, headers, "x".repeat(bytes))).toBe(status);
  for (let next = 0; next < 30; next += 1) {
    expect(await send("GET", "/healthz")).toBe(200);
    await sleep(25);
  }
});
