import fc from "fast-check";
import { uuidv7 } from "uuidv7";
import { beforeEach, expect, it } from "vitest";
import {
  type AuditFilter,
  type AuditRecord,
  deleteAuditRecords,
  insertAuditRecord,
  listAuditRecords,
} from "../../src/store/audit.ts";
import type { Db } from "../../src/store/db.ts";
import { auditRecords } from "../../src/store/schema.ts";
import { describeOnBoth } from "./databases.ts";

const start = Date.parse("2026-01-02T03:04:05.678Z");

describeOnBoth("audit records", (database) => {
  let db: Db;

  beforeEach(async () => {
    db = database();
    await db.delete(auditRecords);
  });

  async function record(requestId: string, milliseconds: number, facts: Partial<AuditRecord> = {}): Promise<void> {
    await insertAuditRecord(db, {
      id: uuidv7(),
      at: new Date(start + milliseconds),
      kind: "k",
      organization: "acme",
      outcome: "refused",
      metadata: { a: "ü" },
      requestId,
      ...facts,
    });
  }

  const list = async (filter: AuditFilter, limit = 100) =>
    (await listAuditRecords(db, filter, limit)).map(({ requestId }) => requestId);

  it("are listed newest first by time, then by id, though an instance's clock is behind", async () => {
    await record("late", 2000);
    await record("behind", 1000);
    await record("same-1", 1500);
    await record("same-2", 1500);
    expect(await list({})).toEqual(["late", "same-2", "same-1", "behind"]);
  });

  it("are found by each thing that is asked", async () => {
    await record("one", 0, { kind: "create_robot", robot: "acme+ci", actor: "admin", outcome: "success" });
    await record("two", 1, { organization: "other", actor: "acme+ci" });
    await record("three", 2, { organization: null });
    expect(await list({ organization: "acme" })).toEqual(["one"]);
    expect(await list({ kind: "create_robot" })).toEqual(["one"]);
    expect(await list({ robot: "acme+ci" })).toEqual(["one"]);
    expect(await list({ actor: "acme+ci" })).toEqual(["two"]);
    expect(await list({ outcome: "refused" })).toEqual(["three", "two"]);
    expect(await list({ requestId: "two" })).toEqual(["two"]);
    expect(await list({ from: new Date(start + 1) })).toEqual(["three", "two"]);
    expect(await list({ to: new Date(start + 1) })).toEqual(["one"]);
    expect(await list({ from: new Date(start + 1), to: new Date(start + 2), outcome: "refused" })).toEqual(["two"]);
    expect(await list({ kind: "k", organization: "acme" })).toEqual([]);
  });

  it("come page by page, each once, whatever is written meanwhile", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(5), { minLength: 1, maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1 }),
        async (times, sizes) => {
          await db.delete(auditRecords);
          for (const [index, milliseconds] of times.entries()) await record(String(index), milliseconds);
          const whole = await list({});
          const seen: string[] = [];
          for (let after: AuditRecord | undefined, turn = 0; ; turn += 1) {
            const limit = sizes[turn % sizes.length] ?? 1;
            const page = await listAuditRecords(db, after ? { after } : {}, limit);
            seen.push(...page.map(({ requestId }) => requestId));
            after = page.at(-1);
            if (!after) break;
            await record(`new-${turn}`, 10 + turn);
          }
          expect(seen).toEqual(whole);
        },
      ),
      { numRuns: 25 },
    );
  });

  it("are deleted oldest first, so many at once", async () => {
    for (let index = 0; index < 7; index += 1) await record(String(index), index);
    expect(await deleteAuditRecords(db, new Date(start + 5), 3)).toBe(3);
    expect(await list({})).toEqual(["6", "5", "4", "3"]);
    expect(await deleteAuditRecords(db, new Date(start + 5), 3)).toBe(2);
    expect(await deleteAuditRecords(db, new Date(start + 5), 3)).toBe(0);
    expect(await list({})).toEqual(["6", "5"]);
  });
});
