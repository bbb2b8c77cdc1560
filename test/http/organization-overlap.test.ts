import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, startBerth, type TestBerth } from "../support/berth.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { expectProblem } from "../support/problems.ts";

let postgres: TestPostgres;
let berth: TestBerth;

beforeAll(async () => {
  postgres = await startPostgres();
  berth = await startBerth({
    environment: {
      DATABASE_URL: await postgres.createDatabase("overlap"),
      BERTH_SECRET_KEY: Buffer.alloc(32, 3).toString("base64"),
      BERTH_ADMIN_TOKEN: "an-admin-token-of-neighbours",
    },
  });
});

afterAll(async () => {
  await berth.remove();
  await postgres.remove();
});

let made = 0;
/** A name that nobody has. */
function aName(): string {
  made += 1;
  return `org${made}`;
}

const create = (name: string) => berth.api("POST", "/organization/", { name });
const take = (name: string, ...prefixes: string[]) =>
  berth.api("PATCH", `/organization/${name}`, { repository_prefixes: prefixes });

async function anOrganization(...prefixes: string[]): Promise<string> {
  const name = aName();
  expect((await create(name)).status).toBe(201);
  if (prefixes.length > 0) expect((await take(name, ...prefixes)).status).toBe(200);
  return name;
}

async function prefixesOf(name: string): Promise<string[]> {
  return (await berth.api("GET", `/organization/${name}`)).body.repository_prefixes;
}

function expectConflict(answer: ApiAnswer, other: string): void {
  expect(expectProblem(answer, 409, "conflict")).toContain(`the organization ${other} `);
}

describe("a prefix that is refused", () => {
  it.each([
    ["another organization's name", "", ""],
    ["all below another organization's name", "", "/*"],
    ["a name below another organization's", "", "/app"],
    ["names below one below another organization's", "", "/app/*"],
  ])("is %s", async (_, before, behind) => {
    const [one, other] = [await anOrganization(), await anOrganization()];
    expectConflict(await take(one, "fine", `${before}${other}${behind}`), other);
    expect(await prefixesOf(one)).toEqual([]);
  });

  it.each([
    ["the same", "legacy/a", "legacy/a"],
    ["the same, written in another way", "legacy/a", "legacy/a/*"],
    ["inside it", "legacy/a", "legacy/a/b"],
    ["far inside it", "legacy/a/*", "legacy/a/b/c/*"],
    ["around it", "legacy/a/b", "legacy/a"],
    ["around it from the root", "legacy/a/b/*", "legacy"],
  ])("is another organization's: %s", async (_, theirs, wanted) => {
    const root = aName();
    const rooted = (prefix: string) => prefix.replace("legacy", root);
    const [one, other] = [await anOrganization(), await anOrganization(rooted(theirs))];
    expectConflict(await take(one, rooted(wanted)), other);
    expect(await prefixesOf(one)).toEqual([]);
    expect(await prefixesOf(other)).toEqual([rooted(theirs)]);
  });
});

it("a prefix beside another's, or within its own, is taken", async () => {
  const root = aName();
  const [one] = [await anOrganization(), await anOrganization(`${root}/a`)];
  const prefixes = [`${root}/b`, `${root}/b/c`, `${root}/ab/*`, `${root}-a`, `${one}/own`];
  expect((await take(one, ...prefixes)).status).toBe(200);
  expect((await take(one, ...prefixes)).status).toBe(200);
  expect(await prefixesOf(one)).toEqual(prefixes);
});

it.each(["", "/", "/*", "/app", "/app/*"])(
  "an organization cannot be called what another has as NAME%s",
  async (behind) => {
    const name = aName();
    const owner = await anOrganization(`${name}${behind}`);
    expectConflict(await create(name), owner);
    expect((await berth.api("GET", `/organization/${name}`)).status).toBe(404);
    expect((await take(owner)).status).toBe(200);
    expect((await create(name)).status).toBe(201);
  },
);

it("what a deleted organization was called, and what it had, may be taken as prefixes", async () => {
  const prefix = aName();
  const [one, gone] = [await anOrganization(), await anOrganization(prefix)];
  expectConflict(await take(one, gone), gone);
  expect((await berth.api("DELETE", `/organization/${gone}`)).status).toBe(204);
  expect((await take(one, gone, `${prefix}/a`)).status).toBe(200);
});

it("settings that touch no prefix are not refused for those there are", async () => {
  const one = await anOrganization(aName());
  expect((await berth.api("PATCH", `/organization/${one}`, { email: null })).status).toBe(200);
});

describe("of changes that meet, one is left", () => {
  const ROUNDS = 5;

  it("when several organizations take one prefix", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const prefix = aName();
      const names = [await anOrganization(), await anOrganization(), await anOrganization()];
      const wanted = [prefix, `${prefix}/a`, `${prefix}/*`];
      const answers = await Promise.all(names.map((name, index) => take(name, wanted[index] ?? "")));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
      expect((await Promise.all(names.map(prefixesOf))).flat()).toHaveLength(1);
    }
  });

  it("when one takes as a prefix what another is being called", async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const name = aName();
      const owner = await anOrganization();
      const answers = await Promise.all([take(owner, name), create(name)]);
      const statuses = answers.map(({ status }) => status);
      expect([
        [200, 409],
        [409, 201],
      ]).toContainEqual(statuses);
    }
  });
});
