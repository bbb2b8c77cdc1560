import { uuidv7 } from "uuidv7";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readConfig } from "../../src/config.ts";
import { Secret } from "../../src/domain/secret.ts";
import { type Database, openPostgres } from "../../src/ports/node/database.ts";
import { maintain } from "../../src/services/bootstrap.ts";
import { createSealer } from "../../src/tokens/sealing.ts";
import { type Dump, openDump } from "../support/dump.ts";
import { type Instances, startInstances } from "../support/instances.ts";
import { repeatableRequests } from "../support/repeatable-requests.ts";

/** Requests under one Idempotency-Key at two instances on one PostgreSQL. */
const TIMES = 50;

let instances: Instances;
let database: Database;
let dump: Dump;
const ask: Instances["ask"] = (...call) => instances.ask(...call);

beforeAll(async () => {
  instances = await startInstances();
  const { DATABASE_URL } = instances.environment;
  database = await openPostgres(new Secret(DATABASE_URL));
  dump = openDump(DATABASE_URL);
  await ask("POST", "/organization/", { name: "acme" });
});

afterAll(async () => {
  await Promise.all([database.close(), dump.close()]);
  await instances.remove();
});

let keys = 0;
const newKey = () => {
  keys += 1;
  return { "idempotency-key": `key-${keys}` };
};

describe("fifty at once", () => {
  it.each(Object.entries(repeatableRequests))(
    "%s makes one, which all are shown and one gets the secret of",
    async (_, make) => {
      const { path, body } = await make(ask);
      const headers = newKey();
      const before = await dump.tables();
      const answers = await Promise.all(Array.from({ length: TIMES }, () => ask("POST", path, body, headers)));
      for (const answer of answers) expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
      const shown = answers.map(({ body: { token, token_expires_at, warnings, ...rest } }) => rest);
      for (const one of shown) expect(one).toEqual(shown[0]);
      const secrets = answers.flatMap(({ body: { token } }) => token ?? []);
      expect(secrets).toHaveLength(/tokens$|regenerate$/.test(path) ? 1 : 0);
      const after = await dump.tables();
      const grown = Object.entries(after).map(([table, rows]) => [table, rows.length - (before[table]?.length ?? 0)]);
      expect(Object.fromEntries(grown)).toMatchObject({ audit_records: 1, idempotency_keys: 1 });
      for (const [table, more] of grown) {
        if (table !== "signing_keys") expect(more, `rows of ${table}`).toBeLessThanOrEqual(1);
      }
    },
  );

  it("with fifty bodies make one, and the others are told", async () => {
    const headers = newKey();
    const answers = await Promise.all(
      Array.from({ length: TIMES }, (_, index) => ask("POST", "/principals", { name: `raced-${index}` }, headers)),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([201, ...Array(TIMES - 1).fill(409)]);
    const { principals } = (await ask("GET", "/principals?limit=500")).body;
    expect(principals.filter(({ name }: { name: string }) => name.startsWith("raced-"))).toHaveLength(1);
  });

  it("of which the first is refused, one makes it", async () => {
    const headers = newKey();
    const token = (name: string) => ask("POST", "/principals/admin/tokens", { name }, headers);
    await ask("POST", "/principals/admin/tokens", { name: "taken" });
    const answers = await Promise.all([token("taken"), ...Array.from({ length: TIMES }, () => token("free"))]);
    expect(answers[0]?.status).toBe(409);
    for (const { status, body } of answers.slice(1)) expect(status, JSON.stringify(body)).toBe(201);
    expect(answers.flatMap(({ body }) => body.token ?? [])).toHaveLength(1);
  });
});

it("a key is remembered for a day, and by its hash alone", async () => {
  const config = readConfig({ ...instances.environment, BERTH_AUDIT_RETENTION_DAYS: "0" }, () => "");
  const sealer = await createSealer([
    new Secret(new Uint8Array(Buffer.from(instances.environment.BERTH_SECRET_KEY, "base64"))),
  ]);
  const maintainAt = (now: number) =>
    maintain(database.db, { config, sealer, clock: { now: () => now }, random: { uuid: uuidv7 } });
  const started = Date.now();
  const headers = { "idempotency-key": "a-key-of-yesterday" };
  const token = () => ask("POST", "/principals/admin/tokens", { name: "daily" }, headers);
  const first = await token();
  expect(first.body.token).toEqual(expect.any(String));

  const { idempotency_keys } = await dump.tables();
  expect(JSON.stringify(idempotency_keys)).toContain(first.body.id);
  expect(JSON.stringify(idempotency_keys)).not.toContain("yesterday");

  await maintainAt(started + 24 * 3600 * 1000 - 1000);
  expect((await token()).body).toEqual({ ...first.body, token: null });
  await maintainAt(Date.now() + 24 * 3600 * 1000 + 1000);
  expect((await dump.tables()).idempotency_keys).toEqual([]);
  expect((await token()).status).toBe(409);
  await ask("DELETE", `/principals/admin/tokens/${first.body.id}`);
  const next = await token();
  expect(next.status).toBe(201);
  expect(next.body.token).toEqual(expect.any(String));
  expect(next.body.id).not.toBe(first.body.id);
});
