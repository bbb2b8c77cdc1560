import { afterAll, beforeAll, expect, it } from "vitest";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { type OtherServer, startOtherServer } from "../support/other-server.ts";

const SERVICE = "old.example";
let berth: TestBerth;
let other: OtherServer;

beforeAll(async () => {
  [berth, other] = await Promise.all([startBerth(), startOtherServer()]);
  const settings = { service: SERVICE, fallback_realm: other.realm };
  expect((await berth.api("POST", "/registries", settings)).status).toBe(201);
});

afterAll(async () => {
  await Promise.all([berth.remove(), other.close()]);
});

const login = () =>
  call(`${berth.url}/v2/auth?service=${SERVICE}`, { headers: { authorization: basic("anna", "password") } });

it.each([200, 400, 401, 403, 404, 429, 500, 503, 599])("an answer of %i is passed on", async (status) => {
  other.answer = (response) => response.writeHead(status, { "content-type": "application/json" }).end('{"a":1}');
  expect(await login()).toMatchObject({ status, body: { a: 1 } });
});

it.each([200, 204, 205, 401])("an answer of %i without a body is passed on so", async (status) => {
  other.answer = (response) => response.writeHead(status).end();
  expect(await login()).toMatchObject({ status, body: "" });
});

it.each([304, 600, 999])("an answer of %i, which no token endpoint gives, is 503", async (status) => {
  other.answer = (response) => response.writeHead(status).end();
  const answer = await login();
  expect([answer.status, answer.body.errors[0].code]).toEqual([503, "UNAVAILABLE"]);
});
