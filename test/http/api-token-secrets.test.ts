import { afterAll, beforeAll, expect, it } from "vitest";
import { type Dump, openDump } from "../support/dump.ts";
import { type Instances, startInstances } from "../support/instances.ts";
import { makePrincipal, managementBy } from "../support/principals.ts";

/** What becomes of an API token, at two instances on one PostgreSQL. */

let instances: Instances;
let dump: Dump;

beforeAll(async () => {
  instances = await startInstances();
  dump = openDump(instances.environment.DATABASE_URL);
  await instances.ask("POST", "/organization/", { name: "acme" });
});

afterAll(async () => {
  await dump.close();
  await instances.remove();
});

it("nothing of it is in any table, log line or audit record: it is known by its hash", async () => {
  const { one, other, ask } = instances;
  const key = { "idempotency-key": `key-of-${crypto.randomUUID()}` };
  await ask("POST", "/principals", { name: "terraform", roles: { acme: "admin" } });
  const made = await ask("POST", "/principals/terraform/tokens", { name: "kept" }, key);
  const { token } = made.body;
  for (const { url } of [one, other]) {
    expect((await managementBy({ url }, token)("GET", "/user")).status).toBe(200);
    expect((await managementBy({ url }, `${token}x`)("GET", "/user")).status).toBe(401);
  }
  const again = await ask("POST", "/principals/terraform/tokens", { name: "kept" }, key);
  expect(again.body).toEqual({ ...made.body, token: null, last_used: expect.any(String) });
  const told = [
    ...(await Promise.all(
      ["/logs", "/principals/terraform", "/principals/terraform/tokens", "/state"].map((path) => ask("GET", path)),
    )),
    await ask("DELETE", `/principals/terraform/tokens/${made.body.id}`),
  ].map(({ body }) => JSON.stringify(body));

  const { api_tokens: rows, ...tables } = await dump.tables();
  expect(rows?.length).toBeGreaterThan(0);
  const everything = [...told, ...one.log, ...other.log, JSON.stringify([rows, tables])].join("\n");
  expect(everything).toContain(made.body.id);
  // Neither the token, nor what of it would be enough to guess the rest.
  const secret = token.replace("berth_api_", "");
  for (let start = 0; start + 8 <= secret.length; start += 4) {
    expect(everything).not.toContain(secret.slice(start, start + 8));
  }
  expect(everything).not.toContain(key["idempotency-key"]);
  expect(everything).not.toContain(instances.environment.BERTH_ADMIN_TOKEN);
});

it("it ends at every instance, with the answer that says so", async () => {
  const { one, other, ask } = instances;
  for (const [index, end] of (
    [
      (name, id) => ask("DELETE", `/principals/${name}/tokens/${id}`),
      (name) => ask("DELETE", `/principals/${name}`),
      (name) => ask("PUT", "/state", { unlisted: "delete", principals: { [`${name}-other`]: {} } }),
    ] satisfies ((name: string, id: string) => ReturnType<typeof ask>)[]
  ).entries()) {
    const { name, token } = await makePrincipal(one, `ended-${index}`);
    const [here, there] = [managementBy(one, token), managementBy(other, token)];
    const { tokens } = (await there("GET", `/principals/${name}/tokens`)).body;
    expect((await here("GET", "/user")).status).toBe(200);
    expect((await end(name, tokens[0].id)).status).toBeLessThan(300);
    expect([await there("GET", "/user"), await here("GET", "/user")].map(({ status }) => status)).toEqual([401, 401]);
  }
});
