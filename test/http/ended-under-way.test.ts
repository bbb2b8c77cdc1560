import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { edits } from "../support/editable-things.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { type ManagementCall, makePrincipal, managementBy, type TestPrincipal } from "../support/principals.ts";
import { repeatableRequests } from "../support/repeatable-requests.ts";

/** A request that is under way while its token is ended, or opens less, changes nothing any more. */

let berth: TestBerth;
let issuer: TestIssuer;
let ask: ManagementCall;
let methods: Map<string, string>;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  ask = managementBy(berth, berth.adminToken);
  await ask("POST", "/organization/", { name: "acme" });
  const { paths } = (await call(`${berth.url}/openapi.json`)).body;
  const operations = Object.values<Record<string, { operationId: string }>>(paths).flatMap((one) =>
    Object.entries(one),
  );
  methods = new Map(operations.map(([method, { operationId }]) => [operationId, method.toUpperCase()]));
});

afterAll(async () => {
  await berth.remove();
  await issuer.close();
});

interface Told {
  readonly status: number;
  readonly body: string;
}

/** Sends a request but for its body, and gives what sends that and tells the answer. */
function begin(credential: string, method: string, path: string, body: unknown = {}): () => Promise<Told> {
  const headers = { authorization: `Bearer ${credential}`, "content-type": "application/json" };
  const sent = request(`${berth.url}/api/v1${path}`, {
    method,
    headers: { ...headers, "transfer-encoding": "chunked" },
  });
  const answer = new Promise<Told>((resolve, reject) => {
    sent.on("error", reject).on("response", async (response) => {
      let text = "";
      for await (const piece of response) text += piece;
      resolve({ status: response.statusCode ?? 0, body: text });
    });
  });
  sent.flushHeaders();
  return () => {
    sent.end(JSON.stringify(body));
    return answer;
  };
}

/** Until the service has looked at the token of somebody who was never there before. */
async function authenticated({ name }: TestPrincipal): Promise<string> {
  return vi.waitFor(async () => {
    const [token] = (await ask("GET", `/principals/${name}/tokens`)).body.tokens;
    expect(token.last_used).not.toBeNull();
    return token.id;
  });
}

const superuser = () => makePrincipal(berth, `p-${crypto.randomUUID()}`, { super_user: true });

describe("when its token is ended", () => {
  it.each(Object.entries(edits))("%s edits nothing", async (operation, { make, body }) => {
    const somebody = await superuser();
    const thing = await make(ask);
    const finish = begin(somebody.token, methods.get(operation) ?? "", thing.read, body);
    const id = await authenticated(somebody);
    expect((await ask("DELETE", `/principals/${somebody.name}/tokens/${id}`)).status).toBe(204);
    const before = await ask("GET", thing.read);
    expect(await finish()).toMatchObject({
      status: 401,
      body: expect.stringContaining("while the request was under way"),
    });
    expect((await ask("GET", thing.read)).body).toEqual(before.body);
  });

  it.each(Object.entries(repeatableRequests))("%s makes nothing", async (_, make) => {
    const somebody = await superuser();
    const { path, body, list } = await make(ask);
    const finish = begin(somebody.token, "POST", path, body);
    const id = await authenticated(somebody);
    expect((await ask("DELETE", `/principals/${somebody.name}/tokens/${id}`)).status).toBe(204);
    const before = (await ask("GET", list)).body;
    expect((await finish()).status).toBe(401);
    expect((await ask("GET", list)).body).toEqual(before);
  });
});

describe("when its principal", () => {
  const robot = "/organization/acme/robots/late";

  it.each<[string, (name: string) => Promise<unknown>]>([
    ["is deleted", (name) => ask("DELETE", `/principals/${name}`)],
    ["loses its role", (name) => ask("DELETE", `/organization/acme/members/${name}`)],
    ["is only a reader any more", (name) => ask("PUT", `/organization/acme/members/${name}`, { role: "reader" })],
    ["has no roles by a document", () => ask("PUT", "/organization/acme/state", { members: {} })],
  ])("%s, it makes no robot", async (_, end) => {
    const somebody = await makePrincipal(berth, `p-${crypto.randomUUID()}`, { roles: { acme: "member" } });
    const finish = begin(somebody.token, "PUT", robot);
    await authenticated(somebody);
    await end(somebody.name);
    expect((await finish()).status).toBe(401);
    expect((await ask("GET", robot)).status).toBe(404);
  });

  it("is changed in what gives it nothing, it goes on", async () => {
    const somebody = await makePrincipal(berth, `p-${crypto.randomUUID()}`, { roles: { acme: "member" } });
    const finish = begin(somebody.token, "PUT", "/organization/acme/robots/described");
    await authenticated(somebody);
    await ask("PATCH", `/principals/${somebody.name}`, { description: "another" });
    await ask("POST", `/principals/${somebody.name}/tokens`, { name: "another" });
    expect((await finish()).status).toBe(201);
  });
});

describe("when its robot", () => {
  it.each<[string, (path: string, name: string) => Promise<unknown>]>([
    ["is disabled", (path) => ask("PATCH", path, { disabled: true })],
    ["is deleted", (path) => ask("DELETE", path)],
    ["loses its binding", (path) => ask("DELETE", `${path}/federation`)],
    ["loses its role", (_, name) => ask("DELETE", `/organization/acme/members/${name}`)],
    ["has another role", (_, name) => ask("PUT", `/organization/acme/members/${name}`, { role: "reader" })],
  ])("%s, it makes no other", async (_, end) => {
    const robot = `r-${crypto.randomUUID()}`;
    const [path, name] = [`/organization/acme/robots/${robot}`, `acme+${robot}`];
    await berth.createRobot(name, { federation: [{ issuer: issuer.url, subject, api: true }] });
    await ask("PUT", `/organization/acme/members/${name}`, { role: "member" });
    const { body } = await berth.exchange(name, await issuer.sign(berth.url));
    const slow = begin(body.token, "PUT", "/organization/acme/robots/by-robot");
    // By the time that it has answered another, it has looked at the token of the one that waits.
    expect((await managementBy(berth, body.token)("GET", "/user")).status).toBe(200);
    await end(path, name);
    expect((await slow()).status).toBe(401);
    expect((await ask("GET", "/organization/acme/robots/by-robot")).status).toBe(404);
  });
});
