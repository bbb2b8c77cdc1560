import { afterAll, beforeAll, expect, it } from "vitest";
import type { ApiAnswer } from "../support/berth.ts";
import { type Instances, startInstances } from "../support/instances.ts";

/** Who gives a role, and who ends one of the two that it is about, at once: on two instances of one PostgreSQL. */
const ROUNDS = 15;

let instances: Instances;
const ask: Instances["ask"] = (...call) => instances.ask(...call);

beforeAll(async () => {
  instances = await startInstances();
  await ask("POST", "/organization/", { name: "acme" });
});

afterAll(() => instances.remove());

const members = "/organization/acme/members";

/** Makes what each round is about, and then asks both at once. */
async function race(
  prepare: (name: string) => Promise<unknown>,
  give: (name: string) => Promise<ApiAnswer>,
  end: (name: string) => Promise<ApiAnswer>,
): Promise<string[]> {
  const names = Array.from({ length: ROUNDS }, (_, round) => `r${round}-${crypto.randomUUID()}`);
  await Promise.all(names.map(prepare));
  for (const [round, name] of names.entries()) {
    const both = round % 2 ? [give(name), end(name)] : [end(name), give(name)];
    const answers = await Promise.all(both);
    for (const { status, body } of answers) expect(status, JSON.stringify(body)).toBeLessThan(500);
    const ended = answers[round % 2];
    expect(ended?.status, JSON.stringify(ended?.body)).toBe(204);
  }
  return names;
}

const memberNames = async () => {
  const { body } = await ask("GET", `${members}?limit=500`);
  return body.members.map(({ name }: { name: string }) => name);
};

it("a principal that is deleted", async () => {
  await race(
    (name) => ask("POST", "/principals", { name }),
    (name) => ask("PUT", `${members}/${name}`, { role: "admin" }),
    (name) => ask("DELETE", `/principals/${name}`),
  );
  expect(await memberNames()).toEqual([]);
});

it("a principal that is deleted while a document names it", async () => {
  await race(
    (name) => ask("POST", "/principals", { name }),
    (name) => ask("PUT", "/organization/acme/state", { members: { [name]: "admin" } }),
    (name) => ask("DELETE", `/principals/${name}`),
  );
  expect(await memberNames()).toEqual([]);
});

it("a robot that is deleted", async () => {
  await race(
    (name) => ask("PUT", `/organization/acme/robots/${name}`, {}),
    (name) => ask("PUT", `${members}/acme+${name}`, { role: "admin" }),
    (name) => ask("DELETE", `/organization/acme/robots/${name}`),
  );
  expect(await memberNames()).toEqual([]);
});

it("an organization that is deleted, and whose name is freed", async () => {
  const names = await race(
    async (name) => {
      await ask("POST", "/organization/", { name });
      await ask("POST", "/principals", { name });
    },
    (name) => ask("PATCH", `/principals/${name}`, { roles: { [name]: "admin", acme: "reader" } }),
    (name) => ask("DELETE", `/organization/${name}`),
  );
  await Promise.all(
    names.map(async (name) => {
      expect((await ask("DELETE", `/deleted-organizations/${name}`)).status).toBe(204);
      expect((await ask("POST", "/organization/", { name })).status).toBe(201);
      expect((await ask("GET", `/organization/${name}/members`)).body.members).toEqual([]);
    }),
  );
});

it("a principal that is deleted while it is given a token", async () => {
  await race(
    (name) => ask("POST", "/principals", { name }),
    (name) => ask("POST", `/principals/${name}/tokens`, { name: "late" }),
    (name) => ask("DELETE", `/principals/${name}`),
  );
});
