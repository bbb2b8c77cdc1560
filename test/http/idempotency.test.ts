import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, call, startBerth, type TestBerth } from "../support/berth.ts";
import { type ManagementCall, makePrincipal, managementBy } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";
import { type RepeatableRequest, repeatableRequests } from "../support/repeatable-requests.ts";

/** A request that makes something can be sent again with the same Idempotency-Key, and makes it once. */

let berth: TestBerth;
let ask: ManagementCall;
let operations: string[];

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly $ref?: string }[];
}

beforeAll(async () => {
  berth = await startBerth();
  ask = managementBy(berth, berth.adminToken);
  await ask("POST", "/organization/", { name: "acme" });
  const { paths } = (await call(`${berth.url}/openapi.json`)).body;
  operations = Object.values<Record<string, Operation>>(paths)
    .flatMap((methods) => Object.values(methods))
    .filter(({ parameters }) => parameters?.some(({ $ref }) => $ref?.endsWith("/IdempotencyKey")))
    .map(({ operationId }) => operationId);
});

afterAll(() => berth.remove());

let keys = 0;

/** Sends a request under a key of its own, as often as wanted. */
function underKey({ path, body }: Pick<RepeatableRequest, "path" | "body">) {
  keys += 1;
  const headers = { "idempotency-key": `key-${keys}` };
  return {
    headers,
    send: (by = ask, given: { path?: string; body?: object } = {}) =>
      by("POST", given.path ?? path, given.body ?? body, headers),
  };
}

const recordsOf = async ({ headers }: ApiAnswer) =>
  (await ask("GET", `/logs?request_id=${headers.get("x-request-id")}`)).body.logs;

/** What an answer shows, but for the secret that the first one alone has. */
function withoutSecret({ body }: ApiAnswer): object {
  const { token: _, token_expires_at: __, ...shown } = body;
  return shown;
}

it("every operation that takes an Idempotency-Key is known to this test", () => {
  expect(operations.toSorted()).toEqual(Object.keys(repeatableRequests).toSorted());
});

describe.each(Object.entries(repeatableRequests))("%s", (_, make) => {
  it("makes it once, and answers a repeat with the record, without its secret", async () => {
    const request = await make(ask);
    const { send } = underKey(request);
    const first = await send();
    expect([200, 201], JSON.stringify(first.body)).toContain(first.status);
    const list = (await ask("GET", request.list)).body;
    for (const _ of ["once", "twice"]) {
      const again = await send();
      expect(again.status).toBe(first.status);
      expect(again.body.token ?? null).toBeNull();
      expect(withoutSecret(again)).toEqual(withoutSecret(first));
      expect(again.headers.get("etag")).toBe(first.headers.get("etag"));
      expect(await recordsOf(again)).toEqual([]);
    }
    expect(await recordsOf(first)).toHaveLength(1);
    expect((await ask("GET", request.list)).body).toEqual(list);
  });

  it("makes nothing by the same key for another body, or at another path", async () => {
    const request = await make(ask);
    const { send } = underKey(request);
    await send();
    const list = (await ask("GET", request.list)).body;
    for (const given of [{ body: request.other }, ...(request.otherPath ? [{ path: request.otherPath }] : [])]) {
      expect(expectProblem(await send(ask, given), 409, "conflict")).toContain("Idempotency-Key");
    }
    expect((await ask("GET", request.list)).body).toEqual(list);
    expect(withoutSecret(await send())).toEqual(withoutSecret(await send()));
  });

  it("takes the same key of somebody else as another", async () => {
    const request = await make(ask);
    const { send } = underKey(request);
    const other = await makePrincipal(berth, `p-${crypto.randomUUID()}`, { super_user: true });
    expect((await send()).status).toBeLessThan(300);
    const theirs = await send(other.api, { body: request.other });
    expect(theirs.status, JSON.stringify(theirs.body)).toBeLessThan(300);
    expect(await recordsOf(theirs)).toMatchObject([{ performer: { name: other.name } }]);
  });

  it("does not use up the key by what it refuses", async () => {
    const request = await make(ask);
    const { send } = underKey(request);
    const nobody = await makePrincipal(berth, `p-${crypto.randomUUID()}`);
    expect((await send(ask, { body: request.refused })).status).toBe(400);
    expect([403, 404]).toContain((await send(nobody.api)).status);
    const first = await send();
    expect(first.status, JSON.stringify(first.body)).toBeLessThan(300);
    expect(await recordsOf(first)).toHaveLength(1);
  });

  it("tells that what it made is gone, and makes no other", async () => {
    const request = await make(ask);
    const { send } = underKey(request);
    const first = await send();
    expect(await request.remove(first.body)).toMatchObject({ status: 204 });
    expectProblem(await send(), 404, "not_found");
  });

  it("shows nothing to who may not make it any more", async () => {
    const request = await make(ask);
    const { send } = underKey(request);
    const name = `p-${crypto.randomUUID()}`;
    const maker = await makePrincipal(berth, name, { super_user: true });
    expect((await send(maker.api)).status).toBeLessThan(300);
    expect((await ask("PATCH", `/principals/${name}`, { super_user: false })).status).toBe(200);
    expect([403, 404]).toContain((await send(maker.api)).status);
    expect((await ask("PATCH", `/principals/${name}`, { super_user: "read_only" })).status).toBe(200);
    expectProblem(await send(maker.api), 403, "forbidden");
    expect((await ask("DELETE", `/principals/${name}`)).status).toBe(204);
    expectProblem(await send(maker.api), 401, "unauthenticated");
  });
});

describe("the key", () => {
  const make = (key: string, name = `o-${crypto.randomUUID()}`) =>
    ask("POST", "/organization", { name }, { "idempotency-key": key });

  it("may have 255 characters that can be printed", async () => {
    const printable = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index)).join("");
    for (const key of ["k", printable, "k".repeat(255)]) expect((await make(key)).status).toBe(201);
  });

  it.each(["", " ", "a b", "k".repeat(256), "schlüssel", "a\tb"])("is refused as %j", async (key) => {
    const refused = await make(key);
    expectProblem(refused, 400, "invalid");
    expect(refused.body.errors[0].path).toEqual(["Idempotency-Key"]);
  });

  it("is as it was written", async () => {
    const name = `o-${crypto.randomUUID()}`;
    expect((await make("Key", name)).status).toBe(201);
    expectProblem(await make("key", name), 400, "already_exists");
    expect((await make("Key", name)).status).toBe(201);
  });

  it("comes with one query, and by any name of the service", async () => {
    await ask("PUT", "/organization/acme/robots/queried", {});
    const path = "/organization/acme/robots/queried/regenerate";
    const { send } = underKey({ path: `${path}?format=docker`, body: {} });
    expect((await send()).status).toBe(200);
    const byName = managementBy({ url: berth.url.replace("127.0.0.1", "localhost") }, berth.adminToken);
    expect((await send(byName)).body).toMatchObject({ name: "acme+queried", token: null });
    expectProblem(await send(ask, { path }), 409, "conflict");
    expectProblem(await send(ask, { path: `${path}?format=podman` }), 409, "conflict");
  });

  it("says nothing where nothing is made by POST", async () => {
    const headers = { "idempotency-key": "a b" };
    expect((await ask("PUT", "/organization/acme/robots/put", {}, headers)).status).toBe(201);
    expect((await ask("GET", "/organization/acme", undefined, headers)).status).toBe(200);
    expect((await ask("DELETE", "/organization/acme/robots/put", undefined, headers)).status).toBe(204);
  });

  it("stands for what was made, and not for what has its name since", async () => {
    const body = { name: "again" };
    const { send } = underKey({ path: "/organization", body });
    expect((await send()).status).toBe(201);
    await ask("DELETE", "/organization/again");
    await ask("DELETE", "/deleted-organizations/again");
    expect((await ask("POST", "/organization", body)).status).toBe(201);
    expectProblem(await send(), 404, "not_found");

    const registry = { service: "again.example" };
    const serve = underKey({ path: "/registries", body: registry });
    expect((await serve.send()).status).toBe(201);
    await ask("DELETE", "/registries/again.example");
    expect((await ask("POST", "/registries", registry)).status).toBe(201);
    expectProblem(await serve.send(), 404, "not_found");

    const robot = "/organization/acme/robots/again";
    await ask("PUT", robot, {});
    const regenerate = underKey({ path: `${robot}/regenerate`, body: {} });
    expect((await regenerate.send()).status).toBe(200);
    await ask("DELETE", robot);
    await ask("PUT", robot, {});
    expectProblem(await regenerate.send(), 404, "not_found");
  });
});
