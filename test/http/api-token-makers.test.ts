import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { managementBy } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

/** Nobody makes an API token that can do, or lasts, more than the one it is made with. */

type Role = "admin" | "member" | "reader";

interface Narrowing {
  readonly read_only?: boolean;
  readonly organizations?: readonly string[];
  /** Hours from now. */
  readonly expires?: number;
}

const ORGANIZATIONS = ["acme", "beta", "other"];
const RANKS = [undefined, "reader", "member", "admin"];

const holders = {
  "a superuser": { super_user: true },
  "a read-only superuser": { super_user: "read_only" },
  "somebody with roles": { super_user: false, roles: { acme: "admin", beta: "reader" } },
  "somebody without any": { super_user: false },
} as const;

const narrowings = [false, true].flatMap((read_only) =>
  [undefined, ["acme"], ["acme", "beta"], ["beta"], ["other"]].flatMap((organizations) =>
    [undefined, 1, 3].map(
      (expires): Narrowing => ({
        ...(read_only && { read_only }),
        ...(organizations && { organizations }),
        ...(expires && { expires }),
      }),
    ),
  ),
);

const makers: readonly Narrowing[] = [
  {},
  { expires: 2 },
  { read_only: true },
  { organizations: ["acme"] },
  { organizations: ["acme", "beta"], expires: 2 },
  { organizations: ["beta"], read_only: true },
];

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
  for (const name of ORGANIZATIONS) await berth.api("POST", "/organization/", { name });
});

afterAll(() => berth.remove());

function toBody({ expires, ...rest }: Narrowing, name: string) {
  const expiry = expires && { expires_at: new Date(berth.clock.now() + expires * 3600 * 1000).toISOString() };
  return { name, ...rest, ...expiry };
}

/** By the words of the contract, and by none of the code. */
function isRefused(holder: (typeof holders)[keyof typeof holders], maker: Narrowing, wanted: Narrowing): boolean {
  if (maker.read_only) return true;
  const roles: Readonly<Record<string, Role>> = "roles" in holder ? holder.roles : {};
  const known = (maker.organizations ?? ORGANIZATIONS).filter((name) => holder.super_user || name in roles);
  if (maker.organizations && !wanted.organizations) return true;
  if (wanted.organizations?.some((name) => !known.includes(name))) return true;
  return maker.expires !== undefined && !(wanted.expires !== undefined && wanted.expires <= maker.expires);
}

/** What a token opens, as it is told itself. */
async function opened(token: string) {
  const { body } = await managementBy(berth, token)("GET", "/user");
  const superUser = body.super_user ? 2 : body.global_readonly_super_user ? 1 : 0;
  const ranks = ORGANIZATIONS.map((name) => {
    const role: Role = body.organizations.find((one: { name: string }) => one.name === name)?.role;
    return Math.max(RANKS.indexOf(role), superUser === 2 ? 3 : superUser);
  });
  return { superUser, ranks, until: Date.parse(body.token.expires_at ?? "9999-12-31T00:00:00Z") };
}

const cases = Object.keys(holders).flatMap((holder) =>
  makers
    // Who has no role knows of no organization to be narrowed to.
    .filter(({ organizations }) => holder !== "somebody without any" || !organizations)
    .map((maker) => ({ holder: holder as keyof typeof holders, maker, told: JSON.stringify(maker) })),
);

describe("what a token makes is no more than itself", () => {
  it.each(cases)("of $holder, narrowed by $told", async ({ holder, maker }) => {
    const given = holders[holder];
    const name = `p-${crypto.randomUUID()}`;
    expect((await berth.api("POST", "/principals", { name, ...given })).status).toBe(201);
    const own = await berth.api("POST", `/principals/${name}/tokens`, toBody(maker, "maker"));
    expect(own.status, JSON.stringify(own.body)).toBe(201);
    const ask = managementBy(berth, own.body.token);
    const most = await opened(own.body.token);

    const [told, should]: [Record<string, unknown>, Record<string, unknown>] = [{}, {}];
    for (const [index, wanted] of narrowings.entries()) {
      const answer = await ask("POST", `/principals/${name}/tokens`, toBody(wanted, `t${index}`));
      const line = JSON.stringify(wanted);
      should[line] = isRefused(given, maker, wanted) ? "refused" : "made";
      told[line] = [400, 403].includes(answer.status) ? "refused" : answer.status === 201 ? "made" : answer.body;
      if (answer.status !== 201) continue;
      const { superUser, ranks, until } = await opened(answer.body.token);
      expect(superUser).toBeLessThanOrEqual(most.superUser);
      expect(until).toBeLessThanOrEqual(most.until);
      for (const [place, rank] of ranks.entries()) expect(rank, line).toBeLessThanOrEqual(most.ranks[place] ?? 0);
    }
    expect(told).toEqual(should);
  });

  it("nor for somebody else, which superusers may, with what they have themselves", async () => {
    await berth.api("POST", "/principals", { name: "somebody-else", roles: { acme: "admin" } });
    const path = "/principals/somebody-else/tokens";
    const statusesBy = async (given: object, maker: Narrowing) => {
      const name = `p-${crypto.randomUUID()}`;
      await berth.api("POST", "/principals", { name, ...given });
      const own = await berth.api("POST", `/principals/${name}/tokens`, toBody(maker, "maker"));
      const ask = managementBy(berth, own.body.token);
      const wanted = [{}, { expires: 1 }, { expires: 3 }, { organizations: ["acme"], expires: 1 }];
      const statuses: number[] = [];
      for (const one of wanted) statuses.push((await ask("POST", path, toBody(one, crypto.randomUUID()))).status);
      return statuses;
    };
    expect(await statusesBy({ super_user: true }, {})).toEqual([201, 201, 201, 201]);
    expect(await statusesBy({ super_user: true }, { expires: 2 })).toEqual([403, 201, 403, 201]);
    expect(await statusesBy({ super_user: true }, { read_only: true })).toEqual([403, 403, 403, 403]);
    expect(await statusesBy({ super_user: true }, { organizations: ["acme"] })).toEqual([404, 404, 404, 404]);
    expect(await statusesBy({ super_user: "read_only" }, {})).toEqual([403, 403, 403, 403]);
    expect(await statusesBy({ roles: { acme: "admin" } }, {})).toEqual([404, 404, 404, 404]);
  });

  it("nor when it is sent again after the token that made it was narrowed away", async () => {
    await berth.api("POST", "/principals", { name: "renewed", roles: { acme: "admin" } });
    const path = "/principals/renewed/tokens";
    const full = await berth.api("POST", path, { name: "full" });
    const reads = await berth.api("POST", path, { name: "reads", read_only: true });
    const key = { "idempotency-key": "one-token" };
    const body = { name: "next" };
    expect((await managementBy(berth, full.body.token)("POST", path, body, key)).status).toBe(201);
    expectProblem(await managementBy(berth, reads.body.token)("POST", path, body, key), 403, "forbidden");
  });

  it("nor shown to one that is less", async () => {
    await berth.api("POST", "/principals", { name: "several", roles: { acme: "admin", beta: "admin" } });
    const path = "/principals/several/tokens";
    const acme = { organizations: ["acme"] };
    const given = { full: {}, reads: { read_only: true }, acme, "acme-reads": { ...acme, read_only: true } };
    const listed: Record<string, string[]> = {};
    const tokens = await Promise.all(
      Object.entries(given).map(([name, narrowed]) => berth.api("POST", path, { name, ...narrowed })),
    );
    for (const { body } of tokens) {
      const shown = (await managementBy(berth, body.token)("GET", path)).body.tokens;
      listed[body.name] = shown.map(({ name }: { name: string }) => name).toSorted();
    }
    expect(listed).toEqual({
      full: ["acme", "acme-reads", "full", "reads"],
      reads: ["acme-reads", "reads"],
      acme: ["acme", "acme-reads"],
      "acme-reads": ["acme-reads"],
    });
  });
});
