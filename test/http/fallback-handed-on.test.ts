import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { type OtherServer, startOtherServer } from "../support/other-server.ts";

const SERVICE = "old.example";
const anna = basic("anna", "read");
let berth: TestBerth;
let other: OtherServer;

beforeAll(async () => {
  [berth, other] = await Promise.all([startBerth(), startOtherServer()]);
  const settings = { service: SERVICE, fallback_realm: other.realm };
  expect((await berth.api("POST", "/registries", settings)).status).toBe(201);
});

beforeEach(() => {
  other.asked.length = 0;
});

afterAll(async () => {
  await Promise.all([berth.remove(), other.close()]);
});

/** The one request that the other server got. */
async function handedOn(query: string, init: RequestInit) {
  expect((await call(`${berth.url}/v2/auth${query}`, init)).status).toBe(200);
  const [request, ...others] = other.asked;
  if (!request) throw new Error("nothing was handed on");
  expect(others).toEqual([]);
  const { method, url, headers, form } = request;
  return { method, query: [...url.searchParams], authorization: headers.authorization, form: [...form] };
}

const asking: [string, string][] = [
  ["service", SERVICE],
  ["scope", "repository:a/b:pull"],
  ["scope", "repository:c/d:push"],
  ["client_id", "docker"],
  ["account", "anna"],
];
const others: [string, string][] = [
  ["username", "bert"],
  ["password", "unread"],
  ["refresh_token", "unread"],
  ["access_token", "unread"],
  ["client_secret", "unread"],
];
const parameters = (...pairs: [string, string][][]) => new URLSearchParams(pairs.flat());

it("hands on the Basic credential without those in the query", async () => {
  const request = await handedOn(`?${parameters(asking, others)}`, { headers: { authorization: anna } });
  expect(request).toEqual({ method: "GET", query: asking, authorization: anna, form: [] });
});

it("hands on the Basic credential without those in a form that has no grant_type", async () => {
  const request = await handedOn(`?${parameters(others)}`, {
    method: "POST",
    headers: { authorization: anna },
    body: parameters(asking, others),
  });
  expect(request).toEqual({ method: "POST", query: [], authorization: anna, form: asking });
});

it("hands on a form's password without the Basic header, other credentials and those in the query", async () => {
  const read: [string, string][] = [
    ["grant_type", "password"],
    ["username", "anna"],
    ["password", "read"],
  ];
  const request = await handedOn(`?${parameters(others)}`, {
    method: "POST",
    headers: { authorization: basic("bert", "unread") },
    body: parameters(read, asking, others.slice(2)),
  });
  expect(request).toEqual({ method: "POST", query: [], authorization: undefined, form: [...read, ...asking] });
});

it("hands on a form's refresh token without a password", async () => {
  const read: [string, string][] = [
    ["grant_type", "refresh_token"],
    ["refresh_token", "read"],
  ];
  const request = await handedOn("", {
    method: "POST",
    headers: { authorization: basic("bert", "unread") },
    body: parameters(read, asking, [
      ["username", "bert"],
      ["password", "unread"],
    ]),
  });
  expect(request).toEqual({ method: "POST", query: [], authorization: undefined, form: [...read, ...asking] });
});

it("hands on what was read of a parameter that came twice, and not the other", async () => {
  const read: [string, string][] = [
    ["grant_type", "password"],
    ["username", "anna"],
    ["password", "read"],
  ];
  const twice: [string, string][] = [
    ["username", "bert"],
    ["password", "unread"],
  ];
  const request = await handedOn("", { method: "POST", body: parameters(read, twice, asking) });
  expect(request.form).toEqual([...read, ...asking]);
});
