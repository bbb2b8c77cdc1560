import { uuidv7 } from "uuidv7";
import { beforeAll, beforeEach, expect, it } from "vitest";
import { listAuditRecords } from "../../src/store/audit.ts";
import { insertBinding, updateBinding } from "../../src/store/bindings.ts";
import type { Db } from "../../src/store/db.ts";
import { type ExchangeToGrant, insertGrantedExchanges } from "../../src/store/granted-exchanges.ts";
import { openIssuer, updateIssuer } from "../../src/store/issuers.ts";
import { insertOrganization, markOrganizationDeleted } from "../../src/store/organizations.ts";
import { insertRobot, updateRobot } from "../../src/store/robots.ts";
import { findUsedToken } from "../../src/store/used-tokens.ts";
import { describeOnBoth } from "./databases.ts";

const at = new Date("2026-01-02T03:04:05.678Z");

describeOnBoth("a granted exchange", (database) => {
  let db: Db;
  let organizationId: string;
  let robotId: string;
  let issuerId: string;
  let bindingId: string;

  beforeAll(() => {
    db = database();
  });

  beforeEach(async () => {
    [organizationId, robotId, bindingId] = [uuidv7(), uuidv7(), uuidv7()];
    const name = `o-${organizationId}`;
    const issuer = `https://${uuidv7()}.example`;
    await insertOrganization(db, { id: organizationId, name, createdAt: at });
    const described = { description: "", unstructuredMetadata: {}, createdAt: at, createdBy: "admin" };
    await insertRobot(db, { id: robotId, organizationId, name: "ci", ...described });
    issuerId = (await openIssuer(db, { id: uuidv7(), issuer, createdAt: at }))?.id ?? "";
    const terms = { position: 0, version: 3, subject: "a", mode: "enforce", createdAt: at } as const;
    await insertBinding(db, { id: bindingId, robotId, issuerId, ...terms });
  });

  const record = () => ({
    id: uuidv7(),
    at,
    kind: "exchange",
    organization: "acme",
    robot: "acme+ci",
    outcome: "success" as const,
    code: "granted",
    requestId: uuidv7(),
    clientAddress: null,
    metadata: { claims: { sub: "ü\u2028'\"" }, nested: [1, null, { a: true }] },
  });
  const judgedBy = () => ({ bindingId, bindingVersion: 3, epoch: 0, issuerRevision: 1 });
  const use = (jti: string) => ({ issuerId, robotId, jti, expiresAt: at });
  const recorded = async ({ requestId }: { requestId: string }) => listAuditRecords(db, { requestId }, 10);

  const grant = async (exchange: ExchangeToGrant) => (await insertGrantedExchanges(db, [exchange]))[0];

  it("is recorded as it is told", async () => {
    const told = record();
    expect(await grant({ record: told, judgedBy: judgedBy() })).toBe(true);
    expect(await recorded(told)).toEqual([{ ...told, actor: null, before: null, after: null }]);
  });

  it.each([
    ["the binding is of another version", () => updateBinding(db, bindingId, { version: 4 })],
    ["the robot is disabled", () => updateRobot(db, robotId, { disabled: true })],
    ["the robot was disabled in between", () => updateRobot(db, robotId, { tokenEpoch: 1 })],
    ["the issuer has another revision", () => updateIssuer(db, issuerId, { revision: 2 })],
    ["the issuer is disabled", () => updateIssuer(db, issuerId, { disabled: true })],
    ["the organization is deleted", () => markOrganizationDeleted(db, organizationId, at)],
  ])("is not recorded, and uses nothing up, once %s", async (_, change) => {
    await change();
    const [told, used] = [record(), use(uuidv7())];
    expect(await grant({ record: told, judgedBy: judgedBy() })).toBe(false);
    expect(await grant({ record: told, judgedBy: judgedBy(), used })).toBe(false);
    expect(await recorded(told)).toEqual([]);
    expect(await findUsedToken(db, used)).toBeUndefined();
  });

  it("uses a token up once, and records that one alone, however many come at once", async () => {
    const used = use("once'");
    const told = Array.from({ length: 20 }, record);
    const granted = await Promise.all(told.map((one) => grant({ record: one, judgedBy: judgedBy(), used })));
    expect(granted.filter(Boolean)).toHaveLength(1);
    const records = (await Promise.all(told.map(recorded))).flat();
    const first = told[granted.indexOf(true)];
    expect(records.map(({ id }) => id)).toEqual([first?.id]);
    expect(await findUsedToken(db, used)).toEqual({ ...used, usedAt: at, requestId: first?.requestId });
    expect(await grant({ record: record(), judgedBy: judgedBy(), used: use("another") })).toBe(true);
  });

  it("is told apart from others that are asked for in the same statement", async () => {
    const [once, stale, fresh] = [use(uuidv7()), use(uuidv7()), use(uuidv7())];
    const asked = [
      { judgedBy: judgedBy(), used: once },
      { judgedBy: { ...judgedBy(), bindingVersion: 2 }, used: stale },
      { judgedBy: judgedBy(), used: once },
      { judgedBy: judgedBy() },
      { judgedBy: { ...judgedBy(), bindingId: uuidv7() } },
      { judgedBy: judgedBy(), used: fresh },
    ].map((one) => ({ ...one, record: record() }));
    const granted = await insertGrantedExchanges(db, asked);
    expect([...granted.slice(0, 1), granted[2]].sort()).toEqual([false, true]);
    expect([granted[1], ...granted.slice(3)]).toEqual([false, true, false, true]);
    const kept = await Promise.all(asked.map(async (one) => (await recorded(one.record)).length === 1));
    expect(kept).toEqual(granted);
    expect(await findUsedToken(db, stale)).toBeUndefined();
    expect(await findUsedToken(db, fresh)).toMatchObject(fresh);
  });

  it("lets batches that use up the same tokens in another order wait for each other", async () => {
    const uses = Array.from({ length: 20 }, () => use(uuidv7()));
    const batch = (ordered: typeof uses) =>
      insertGrantedExchanges(
        db,
        ordered.map((used) => ({ record: record(), judgedBy: judgedBy(), used })),
      );
    const batches = [uses, uses.toReversed(), uses, uses.toReversed(), uses, uses.toReversed()];
    const granted = (await Promise.all(batches.map(batch))).flat();
    expect(granted.filter(Boolean)).toHaveLength(uses.length);
  });
});
