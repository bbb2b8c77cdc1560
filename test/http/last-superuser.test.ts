import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError } from "../../src/config.ts";
import { type ApiAnswer, startBerth } from "../support/berth.ts";
import { type Dump, openDump } from "../support/dump.ts";
import { type Instances, startInstances } from "../support/instances.ts";
import { makePrincipal, managementBy, type TestPrincipal } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

/** Somebody must be left who can do everything, on two instances of one PostgreSQL. */

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

const api = (method: string, path: string, body?: unknown) => instances.ask(method, path, body);
const superuser = (name: string, narrowed: object = {}) =>
  makePrincipal(instances.one, name, { super_user: true }, narrowed);
const onlyToken = async (name: string) => (await api("GET", `/principals/${name}/tokens`)).body.tokens[0].id;

type Ask = (method: string, path: string, body?: unknown) => Promise<ApiAnswer>;

/** What takes a superuser away, each way that there is. */
const ways: Readonly<Record<string, (ask: Ask, name: string) => Promise<ApiAnswer>>> = {
  "is deleted": (ask, name) => ask("DELETE", `/principals/${name}`),
  "becomes nobody": (ask, name) => ask("PATCH", `/principals/${name}`, { super_user: false }),
  "becomes read-only": (ask, name) => ask("PATCH", `/principals/${name}`, { super_user: "read_only", roles: {} }),
  "loses its token": async (ask, name) => ask("DELETE", `/principals/${name}/tokens/${await onlyToken(name)}`),
};
const byDocument: typeof ways = {
  "is left out of the state": (ask, name) =>
    ask("PUT", "/state", { unlisted: "delete", principals: { [name === "anna" ? "bert" : "anna"]: {} } }),
  "becomes nobody by the state": (ask, name) =>
    ask("PUT", "/state", { unlisted: "keep", principals: { [name]: { super_user: false } } }),
};

describe("the only superuser", () => {
  it.each(Object.entries(ways))("stays, when it %s", async (_, end) => {
    const before = await dump.tables(["api_tokens"]);
    expect(expectProblem(await end(api, "admin"), 409, "conflict")).toContain("make another one first");
    expect(await dump.tables(["api_tokens"])).toEqual(before);
    expect((await api("GET", "/user")).body).toMatchObject({ username: "admin", super_user: true });
  });

  it.each(Object.entries(ways))("stays beside those who cannot do everything, when it %s", async (_, end) => {
    const others = [
      await superuser("reads-only", { read_only: true }),
      await superuser("narrowed", { organizations: ["acme"] }),
      await superuser("expired", { expires_at: new Date(instances.one.clock.now() + 60_000).toISOString() }),
      await makePrincipal(instances.one, "reader", { super_user: "read_only" }),
    ];
    await api("POST", "/principals", { name: "tokenless", super_user: true });
    for (const { clock } of [instances.one, instances.other]) clock.advance(61);
    expectProblem(await end(api, "admin"), 409, "conflict");
    for (const { name } of [...others, { name: "tokenless" }]) {
      expect((await api("DELETE", `/principals/${name}`)).status).toBe(204);
    }
  });
});

describe("two superusers", () => {
  let [anna, bert]: TestPrincipal[] = [];

  /** Both again, whoever is left. */
  async function renew(): Promise<[TestPrincipal, TestPrincipal]> {
    for (const name of ["anna", "bert"]) {
      if ((await api("GET", `/principals/${name}`)).status === 200) await api("DELETE", `/principals/${name}`);
    }
    return [await superuser("anna"), await superuser("bert")];
  }

  it("do not end each other at once, by whatever way each of them takes", async () => {
    const all = Object.entries({ ...ways, ...byDocument });
    for (const [index, [told, one]] of all.entries()) {
      for (const [alsoTold, other] of all.slice(index)) {
        [anna, bert] = await renew();
        const tokens = await api("GET", "/principals/admin/tokens");
        const as = ({ token }: TestPrincipal, url: string): Ask => managementBy({ url }, token);
        const [annas, berts] = [as(anna, instances.one.url), as(bert, instances.other.url)];
        // The bootstrap superuser cannot be the one who is left.
        expect((await annas("PATCH", "/principals/admin", { super_user: "read_only" })).status).toBe(200);
        const answers = await Promise.all([one(annas, "bert"), other(berts, "anna")]);
        const round = `bert ${told}, anna ${alsoTold}: ${JSON.stringify(answers.map(({ body }) => body.detail))}`;
        const done = answers.filter(({ status }) => status < 300);
        const users = await Promise.all([annas("GET", "/user"), berts("GET", "/user")]);
        expect(done, round).toHaveLength(1);
        for (const { status } of answers.filter((answer) => !done.includes(answer))) {
          expect([401, 403, 404, 409], round).toContain(status);
        }
        const left = users.map(({ status, body }) => status === 200 && body.super_user === true);
        expect(left.toSorted(), round).toEqual([false, true]);
        const survivor = left[0] ? annas : berts;
        expect((await survivor("PATCH", "/principals/admin", { super_user: true })).status, round).toBe(200);
        expect((await api("GET", "/principals/admin/tokens")).body.tokens).toHaveLength(tokens.body.tokens.length);
      }
    }
  });
});

describe("the bootstrap superuser", () => {
  it.each(Object.entries(ways))("comes back at the next start that is given its token, after it %s", async (_, end) => {
    const other = await superuser("deputy");
    expect((await end(other.api, "admin")).status).toBeLessThan(300);
    expect((await api("GET", "/user")).body.super_user).not.toBe(true);
    const started = await startBerth({ environment: instances.environment });
    try {
      const { body } = await started.api("GET", "/user");
      expect(body).toMatchObject({ username: "admin", super_user: true, token: { read_only: false } });
      expect((await api("DELETE", "/principals/deputy")).status).toBe(204);
    } finally {
      await started.remove();
    }
  });

  it("does not come by a token that is somebody's already, which the refused start tells", async () => {
    const { name, token } = await superuser("owner");
    const environment = { ...instances.environment, BERTH_ADMIN_TOKEN: token };
    const refused = await startBerth({ environment }).catch((error) => error);
    expect(refused).toBeInstanceOf(ConfigError);
    expect(refused.problems).toEqual([expect.stringMatching(`^BERTH_ADMIN_TOKEN is the API token test of ${name}: `)]);
    expect(JSON.stringify(refused)).not.toContain(token);
    expect((await api("GET", "/user")).body.username).toBe("admin");
    await api("DELETE", `/principals/${name}`);
  });

  it("comes back with another token too, which ends the one before", async () => {
    const other = await superuser("successor");
    expect((await other.api("PATCH", "/principals/admin", { super_user: false })).status).toBe(200);
    const { BERTH_ADMIN_TOKEN: _, ...environment } = instances.environment;
    const started = await startBerth({
      environment: { ...environment, BERTH_ADMIN_TOKEN: "another-admin-token-altogether" },
    });
    try {
      expect((await started.api("GET", "/user")).body).toMatchObject({ username: "admin", super_user: true });
      expectProblem(await api("GET", "/user"), 401, "unauthenticated");
    } finally {
      await started.remove();
    }
  });
});
