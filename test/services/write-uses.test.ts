import { setImmediate } from "node:timers/promises";
import { drizzle } from "drizzle-orm/pg-proxy";
import { beforeEach, describe, expect, it } from "vitest";
import { createUses, type Uses } from "../../src/domain/uses.ts";
import { createLimiter } from "../../src/services/limiter.ts";
import { writeUses } from "../../src/services/write-uses.ts";
import { type Db, drizzleOptions } from "../../src/store/db.ts";

const clock = { now: () => Date.UTC(2030, 0, 1, 12) };
let uses: Uses;
/** The code of the error that the database has for whatever it is told; none: it takes it. */
let failure: string | undefined;
/** That wrote uses of repositories. */
let statements: number;
let write: () => Promise<void>;

beforeEach(() => {
  uses = createUses();
  statements = 0;
  const access = [{ type: "repository", name: "acme/app", actions: ["pull"] }];
  const lastUsed = new Date(clock.now());
  uses.issued.set("a pull", { robotId: "robot", service: "registry", access, count: 1, lastUsed });
  const db = drizzle(async (query) => {
    if (query.includes("repository_uses")) statements += 1;
    await setImmediate();
    if (failure !== undefined) throw Object.assign(new Error("failed"), { code: failure });
    return { rows: [] };
  }, drizzleOptions) as unknown as Db;
  db.transaction = (work) => work(db as never);
  const deps = { uses, db, clock, limiter: createLimiter(clock) };
  write = () => writeUses(deps);
});

const writeAtOnce = async () => (await Promise.allSettled([write(), write(), write()])).map(({ status }) => status);

describe("uses that several want to be written", () => {
  it("are written once, and nobody goes on before they are", async () => {
    failure = undefined;
    expect(await writeAtOnce()).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
    expect([statements, uses.issued.size]).toEqual([1, 0]);
  });

  it.each(["CONNECTION_TIMEOUT", "ECONNREFUSED", "57P01"])(
    "are tried for all of them once where the database is unreachable (%s), and stay noted",
    async (code) => {
      failure = code;
      expect(await writeAtOnce()).toEqual(["rejected", "rejected", "rejected"]);
      expect([statements, uses.issued.size]).toEqual([1, 1]);
      failure = undefined;
      await write();
      expect([statements, uses.issued.size]).toEqual([2, 0]);
    },
  );

  it.each(["53100", "40P01"])("are tried for each where it cannot write now (%s)", async (code) => {
    failure = code;
    expect(await writeAtOnce()).toEqual(["rejected", "rejected", "rejected"]);
    expect([statements, uses.issued.size]).toEqual([3, 1]);
  });
});
