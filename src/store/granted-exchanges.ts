import { sql } from "drizzle-orm";
import type { NewAuditRecord } from "./audit.ts";
import { type Db, prepareOnce } from "./db.ts";
import { auditRecords, bindings, issuers, organizations, robots, usedTokens } from "./schema.ts";
import type { UsedToken } from "./used-tokens.ts";

/** What an exchange was judged by, as it was then. */
export interface JudgedBy {
  readonly bindingId: string;
  readonly bindingVersion: number;
  /** Of the robot. */
  readonly epoch: number;
  readonly issuerRevision: number;
}

/** Of the record's request, at its time. */
export type TokenUse = Pick<UsedToken, "issuerId" | "robotId" | "jti" | "expiresAt">;

/** An exchange that is granted where nothing has changed. */
export interface ExchangeToGrant {
  readonly record: NewAuditRecord;
  readonly judgedBy: JudgedBy;
  /** Absent: the token stays good. */
  readonly used?: TokenUse | undefined;
}

/**
 * Records exchanges that are granted, and uses their tokens up where `used` says so: in one statement, which
 * waits for nobody who changes the robots.
 *
 * @returns for each, in their order: `false`, and nothing is done for it, when what it was judged by does not stand
 *   any more, or when the token was used before
 */
export async function insertGrantedExchanges(db: Db, exchanges: readonly ExchangeToGrant[]): Promise<boolean[]> {
  const asked = exchanges.map(({ record, judgedBy, used }) => ({ ...record, ...judgedBy, ...used }));
  const rows = await prepared(db).execute({ asked: JSON.stringify(asked) });
  const recorded = new Set(rows.map(({ id }) => id));
  return exchanges.map(({ record }) => recorded.has(record.id));
}

const prepared = prepareOnce((db) => {
  const selection = { id: sql<string>`id` };
  // A value of its own for each, not a join: that would be planned for tables of any size.
  const standing = db.$with("standing", selection).as(sql`
    select * from json_to_recordset(${sql.placeholder("asked")}::text::json) as asked(
      id uuid, at timestamptz, kind text, organization text, robot text, outcome text, code text, "requestId" text,
      "clientAddress" text, metadata jsonb, "bindingId" uuid, "bindingVersion" int, epoch int, "issuerRevision" int,
      "issuerId" uuid, "robotId" uuid, jti text, "expiresAt" timestamptz
    )
    where (
      select true from ${bindings}
      join ${issuers} on ${issuers.id} = ${bindings.issuerId}
      join ${robots} on ${robots.id} = ${bindings.robotId}
      join ${organizations} on ${organizations.id} = ${robots.organizationId}
      where ${bindings.id} = asked."bindingId" and ${bindings.version} = asked."bindingVersion"
        and ${robots.tokenEpoch} = asked.epoch and not ${robots.disabled} and ${organizations.deletedAt} is null
        and ${issuers.revision} = asked."issuerRevision" and not ${issuers.disabled}
    )`);
  // In one order everywhere: instances that use up the same tokens wait for each other, and in no circle.
  const used = db.$with("used", selection).as(sql`
    insert into ${usedTokens} (issuer_id, jti, robot_id, used_at, request_id, expires_at)
    select "issuerId", jti, "robotId", at, "requestId", "expiresAt" from standing
    where jti is not null order by "issuerId", jti, "robotId"
    on conflict do nothing returning request_id as id`);
  const recorded = db.$with("recorded", selection).as(sql`
    insert into ${auditRecords} (
      id, at, kind, organization, robot, outcome, code, request_id, client_address, metadata
    )
    select id, at, kind, organization, robot, outcome, code, "requestId", "clientAddress", metadata from standing
    where jti is null or "requestId" in (select id from used)
    returning id`);
  return db.with(standing, used, recorded).select(selection).from(recorded).prepare("granted_exchanges");
});
