import { rm } from "node:fs/promises";
import { sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { type Database, openEmbedded } from "../../src/ports/node/database.ts";
import { createRecall, type Recall } from "../../src/services/recall.ts";
import { createRecallMemory, type RecallMemory } from "../../src/services/recall-memory.ts";
import type { Change } from "../../src/store/changes.ts";
import { makeDataDir } from "../support/embedded-database.ts";

const name = { organization: "acme", robot: "ci" };
const [organizationId, robotId, issuerId, registryId, bindingId] = [uuidv7(), uuidv7(), uuidv7(), uuidv7(), uuidv7()];
let directory: string;
let database: Database;
let memory: RecallMemory;
let recall: Recall;
let isHeard: boolean;
let now: number;

beforeAll(async () => {
  directory = await makeDataDir();
  database = await openEmbedded(directory);
  for (const statement of [
    sql`insert into organizations (id, name, created_at) values (${organizationId}, 'acme', now())`,
    sql`insert into robots (id, organization_id, name, description, unstructured_metadata, created_at, created_by)
      values (${robotId}, ${organizationId}, 'ci', '', '{}', now(), '')`,
    sql`insert into static_tokens (id, robot_id, token_hash, created_at, created_by)
      values (${uuidv7()}, ${robotId}, 'hash', now(), '')`,
    sql`insert into issuers (id, issuer, created_at) values (${issuerId}, 'https://issuer.example', now())`,
    sql`insert into bindings (id, robot_id, issuer_id, position, version, subject, mode, created_at)
      values (${bindingId}, ${robotId}, ${issuerId}, 0, 1, 's', 'enforce', now())`,
    sql`insert into registries (id, service, is_default, created_at) values (${registryId}, 'registry.example', true, now())`,
  ]) {
    await database.db.execute(statement);
  }
});
afterAll(async () => {
  await database.close();
  await rm(directory, { recursive: true });
});

beforeEach(async () => {
  await database.db.execute(sql`update robots set disabled = false`);
  await database.db.execute(sql`delete from revoked_tokens`);
  await database.db.execute(sql`delete from anonymous_pulls`);
  await database.db.execute(sql`update registries set token_ttl = null`);
  await database.db.execute(sql`update bindings set version = 1`);
  await database.db.execute(sql`update issuers set disabled = false`);
  isHeard = true;
  now = 1_000_000;
  memory = createRecallMemory();
  recall = createRecall(
    {
      db: database.db,
      clock: { now: () => now },
      changes: { areHeard: () => isHeard, catchUp: async () => {}, age: () => 0 },
    },
    memory,
  );
});

const asked = { name, jti: "jti-1" };

/** What is asked of it, what changes the answer, and how that is told. */
const questions: readonly [string, () => Promise<unknown>, ReturnType<typeof sql>, Change][] = [
  [
    "a robot's login",
    async () => (await recall.login(asked)).robot?.disabled,
    sql`update robots set disabled = true`,
    { of: "robot", id: robotId },
  ],
  [
    "the version of its binding",
    async () => (await recall.login(asked)).robot?.bindings[bindingId]?.version,
    sql`update bindings set version = 2`,
    { of: "robot", id: robotId },
  ],
  [
    "whether its issuer is disabled",
    async () => (await recall.login(asked)).robot?.bindings[bindingId]?.disabled,
    sql`update issuers set disabled = true`,
    { of: "issuer", id: issuerId },
  ],
  [
    "whether a token is revoked",
    async () => (await recall.login(asked)).revoked,
    sql`insert into revoked_tokens values ('jti-1', now())`,
    { of: "revoked_token", jti: "jti-1" },
  ],
  [
    "what is open to anybody",
    () => recall.open(registryId, ["acme/open"]),
    sql`insert into anonymous_pulls values (${organizationId}, ${registryId}, 0, 'acme/*')`,
    { of: "anonymous_pulls" },
  ],
  [
    "a static token's robot",
    async () => (await recall.staticToken("hash"))?.robot.disabled,
    sql`update robots set disabled = true`,
    { of: "robot", id: robotId },
  ],
  [
    "what a robot trusts",
    async () => (await recall.federation(name))?.bindings[0]?.version,
    sql`update bindings set version = 2`,
    { of: "robot", id: robotId },
  ],
  [
    "the issuer that it trusts",
    async () => (await recall.federation(name))?.bindings[0]?.issuerDisabled,
    sql`update issuers set disabled = true`,
    { of: "issuer", id: issuerId },
  ],
  [
    "an issuer",
    async () => (await recall.issuers([issuerId]))[0]?.disabled,
    sql`update issuers set disabled = true`,
    { of: "issuer", id: issuerId },
  ],
  [
    "a registry",
    async () => (await recall.registry("registry.example"))?.tokenTtl,
    sql`update registries set token_ttl = 60`,
    { of: "registries" },
  ],
  [
    "the default registry",
    async () => (await recall.registry(""))?.tokenTtl,
    sql`update registries set token_ttl = 60`,
    { of: "registries" },
  ],
];

it("gives each of those who ask at once an answer of its own, by one query", async () => {
  await database.db.execute(sql`insert into revoked_tokens values ('jti-2', now())`);
  let queries = 0;
  const gather = (ask: () => void) => {
    queries += 1;
    setImmediate(ask);
  };
  const changes = { areHeard: () => true, catchUp: async () => {}, age: () => 0 };
  const recall = createRecall({ db: database.db, clock: { now: () => now }, changes, gather }, memory);
  const answers = await Promise.all([
    recall.login(asked),
    recall.login({ name, jti: "jti-2" }),
    recall.login({ ...asked, name: { organization: "acme", robot: "nobody" } }),
    recall.login({ name }),
  ]);
  expect(queries).toBe(1);
  expect(answers.map(({ robot, revoked }) => [robot?.robotId, revoked])).toEqual([
    [robotId, false],
    [robotId, true],
    [undefined, false],
    [robotId, false],
  ]);
});

it("tells which patterns open some repositories of a registry to anybody", async () => {
  await database.db.execute(
    sql`insert into anonymous_pulls values (${organizationId}, ${registryId}, 0, 'acme/open'), (${organizationId}, ${registryId}, 1, 'acme/*')`,
  );
  expect([...(await recall.open(registryId, ["acme/open", "other/open"]))].sort()).toEqual(["acme/*", "acme/open"]);
  expect(await recall.open(registryId, ["acme/other"])).toEqual(["acme/*"]);
  expect(await recall.open(registryId, ["acme/open"])).toEqual(["acme/open", "acme/*"]);
  expect(await recall.open(registryId, ["other/open"])).toEqual([]);
  expect(await recall.open(uuidv7(), ["acme/open"])).toEqual([]);
});

it.each(questions)("remembers %s until it hears of a change", async (_, ask, change, told) => {
  const before = await ask();
  await database.db.execute(change);
  expect(await ask()).toEqual(before);
  memory.heard(told);
  expect(await ask()).not.toEqual(before);
});

it.each(questions)("asks for %s anew once it may have missed something", async (_, ask, change) => {
  const before = await ask();
  await database.db.execute(change);
  memory.missed();
  expect(await ask()).not.toEqual(before);
});

it.each(questions)("does not remember %s that was read while a change came in", async (_, ask, change, told) => {
  const reading = ask();
  memory.heard(told);
  const before = await reading;
  await database.db.execute(change);
  expect(await ask()).not.toEqual(before);
});

it.each(questions)(
  "asks for %s each time while nothing is heard, but for registries a second",
  async (_, ask, change) => {
    isHeard = false;
    const before = await ask();
    await database.db.execute(change);
    now += 1000;
    expect(await ask()).not.toEqual(before);
  },
);

it("forgets all that an organization's change may be about", async () => {
  const before = [await recall.login(asked), await recall.federation(name), await recall.staticToken("hash")];
  await database.db.execute(sql`update organizations set deleted_at = now()`);
  expect([await recall.login(asked), await recall.federation(name), await recall.staticToken("hash")]).toEqual(before);
  memory.heard({ of: "organization", id: organizationId });
  expect(await recall.login(asked)).toEqual({ robot: null, revoked: false });
  expect([await recall.federation(name), await recall.staticToken("hash")]).toEqual([undefined, undefined]);
  await database.db.execute(sql`update organizations set deleted_at = null`);
});

it("never remembers that there is nobody", async () => {
  const stranger = { organization: "acme", robot: "later" };
  expect((await recall.login({ ...asked, name: stranger })).robot).toBeNull();
  expect(await recall.federation(stranger)).toBeUndefined();
  await database.db.execute(sql`
    insert into robots (id, organization_id, name, description, unstructured_metadata, created_at, created_by)
    values (${uuidv7()}, ${organizationId}, 'later', '', '{}', now(), '')`);
  expect((await recall.login({ ...asked, name: stranger })).robot).not.toBeNull();
  expect(await recall.federation(stranger)).toBeDefined();
});

it("lets go of everything when a change was made and nothing is heard", async () => {
  const before = (await recall.registry(""))?.tokenTtl;
  await database.db.execute(sql`update registries set token_ttl = 60`);
  isHeard = false;
  await recall.catchUp();
  expect((await recall.registry(""))?.tokenTtl).not.toEqual(before);
});
