import { afterAll, beforeAll, expect, it } from "vitest";
import { type ApiAnswer, startBerth, type TestBerth } from "../support/berth.ts";
import { expectProblem } from "../support/problems.ts";

const day = 24 * 3600;
let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
});

afterAll(() => berth.remove());

const create = (service: string, settings: object) => berth.api("POST", "/registries", { service, ...settings });
const change = (service: string, settings: object) => berth.api("PATCH", `/registries/${service}`, settings);
const get = (service: string) => berth.api("GET", `/registries/${service}`);

interface Key {
  readonly purpose: string;
  readonly status: string;
  readonly activated: string | null;
  readonly rotates: string | null;
}
/** Days from the beginning of an active key to its turn, by purpose; and what the others tell of theirs. */
function turnsIn({ body }: ApiAnswer) {
  const keys: Key[] = body.keys;
  const [active, others] = [keys.filter(isActive), keys.filter((key) => !isActive(key))];
  for (const { rotates } of others) expect(rotates).toBeNull();
  return Object.fromEntries(
    active.map(({ purpose, rotates, activated }) => [purpose, daysBetween(activated, rotates)]),
  );
}
const isActive = ({ status }: Key) => status === "active";
const daysBetween = (from: string | null, to: string | null) =>
  to === null ? null : Math.round((Date.parse(to) - Date.parse(from ?? "")) / 1000 / day);

async function warnedAfter(service: string, days: number): Promise<string[]> {
  berth.clock.advance(days * day);
  const { body } = await get(service);
  berth.clock.advance(-days * day);
  return body.warnings;
}

it("tells of each key that is active when it will be turned", async () => {
  expect(turnsIn(await create("x5c.example", {}))).toEqual({ signing: 60, authority: 5 * 365 });
  expect(turnsIn(await create("days.example", { rotation_days: 7 }))).toEqual({ signing: 7, authority: 5 * 365 });
  expect(turnsIn(await create("kid.example", { key_profile: "kid" }))).toEqual({ signing: 365 });
  expect(turnsIn(await change("kid.example", { rotation_days: 100 }))).toEqual({ signing: 100 });
});

it("with rotation_days 0 turns a key that is found by name only before its certificate ends, in 20 years", async () => {
  expect(turnsIn(await create("never.example", { key_profile: "kid", rotation_days: 0 }))).toEqual({
    signing: 20 * 365 - 30,
  });
  expect(await warnedAfter("never.example", 10 * 365)).toEqual([]);
  expect((await berth.api("POST", "/registries/never.example/rotate", {})).status).toBe(200);
  expect(turnsIn(await get("never.example"))).toEqual({ signing: 20 * 365 - 30 });
});

it("takes rotation_days 0 with no certificate that ends", async () => {
  const refused = (answer: ApiAnswer) => {
    expectProblem(answer, 400, "invalid");
    expect(answer.body.errors).toEqual([
      { path: ["rotation_days"], message: expect.stringMatching(/1 at least with x5c/) },
    ]);
  };
  refused(await create("refused.example", { rotation_days: 0 }));
  expect((await get("refused.example")).status).toBe(404);
  await create("plain.example", {});
  refused(await change("plain.example", { rotation_days: 0 }));
  await create("named.example", { key_profile: "kid", rotation_days: 0 });
  refused(await change("named.example", { key_profile: "x5c" }));
  expect((await change("named.example", { key_profile: "x5c", rotation_days: null })).status).toBe(200);
});

it("warns for 30 days of a turn that wants a restart before it, and of no other", async () => {
  await create("soon.example", { key_profile: "kid" });
  expect(await warnedAfter("soon.example", 334)).toEqual([]);
  const told = [expect.stringMatching(/^The next signing key takes over at .* restart it before then\.$/)];
  expect(await warnedAfter("soon.example", 336)).toEqual(told);
  await create("leaf.example", {});
  expect(await warnedAfter("leaf.example", 59)).toEqual([]);
  expect(await warnedAfter("leaf.example", 5 * 365 - 31)).toEqual([]);
  expect(await warnedAfter("leaf.example", 5 * 365 - 29)).toEqual([expect.stringMatching(/^The next authority takes/)]);
});
