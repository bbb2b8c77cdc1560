import { sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import { beforeEach, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { deleteOldRecords } from "../../src/services/audit-retention.ts";
import { listAuditRecords } from "../../src/store/audit.ts";
import type { Db } from "../../src/store/db.ts";
import { auditRecords } from "../../src/store/schema.ts";
import { describeOnBoth } from "../store/databases.ts";

const now = Date.parse("2026-06-15T13:14:15.167Z");

describeOnBoth("audit records that are older than they are kept", (database) => {
  let db: Db;

  beforeEach(async () => {
    db = database();
    await db.delete(auditRecords);
  });

  const write = (many: number, at: string) =>
    db.execute(sql`
      insert into audit_records (id, at, kind, outcome, request_id, metadata)
      select gen_random_uuid(), ${at}::timestamptz, 'old', 'success', 'r', '{}' from generate_series(1, ${many}::integer)`);

  const clean = (auditRetentionDays: number) =>
    deleteOldRecords(db, {
      config: { auditRetentionDays },
      clock: { now: () => now },
      random: { uuid: uuidv7 },
    });

  const kinds = async () => (await listAuditRecords(db, {}, 100)).map(({ kind }) => kind);
  const deletions = () => listAuditRecords(db, { kind: "audit_retention" }, 10);

  it("go by the whole day, and one record tells how many and until when", async () => {
    await write(2, "2026-06-12T23:59:59.999Z");
    await write(1, "2026-06-13T00:00:00.000Z");
    await clean(2);
    expect(await kinds()).toEqual(["audit_retention", "old"]);
    expect(await deletions()).toMatchObject([
      {
        at: new Date(now),
        outcome: "success",
        actor: null,
        organization: null,
        clientAddress: null,
        metadata: { deleted: 2, before: "2026-06-13T00:00:00.000Z" },
      },
    ]);
    await clean(2);
    expect(await deletions()).toHaveLength(1);
  });

  it("go in pieces, all of them in one round if they are not too many", async () => {
    const many = 2 * limits.audit.deletion.records + 1;
    await write(many, "2025-01-01T00:00:00Z");
    await clean(limits.audit.keepDays.default);
    expect(await deletions()).toMatchObject([{ metadata: { deleted: many } }]);
    expect(await kinds()).toEqual(["audit_retention"]);
  });

  it("are counted once when two instances clean up together", async () => {
    const many = limits.audit.deletion.records + 500;
    await write(many, "2025-01-01T00:00:00Z");
    await Promise.all([clean(1), clean(1)]);
    const counted = (await deletions()).map(({ metadata }) => Number(metadata.deleted));
    expect(counted.reduce((sum, one) => sum + one, 0)).toBe(many);
  });

  it("stay for ever where nobody wants them to go", async () => {
    await write(3, "1971-01-01T00:00:00Z");
    await clean(0);
    expect(await kinds()).toEqual(["old", "old", "old"]);
  });

  it("are none where they are kept longer than the calendar of the service goes back", async () => {
    await write(1, "2026-01-01T00:00:00Z");
    await clean(limits.audit.keepDays.max);
    expect(await kinds()).toEqual(["old"]);
  });
});
