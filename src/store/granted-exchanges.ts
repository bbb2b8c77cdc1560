import { sql } from "drizzle-orm";
import type { NewAuditRecord } from "./audit.ts";
import type { Db } from "./db.ts";
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

/**
 * Records an exchange that is granted, and uses its token up where `used` says so: in one statement, which
 * waits for nobody who changes the robot.
 *
 * @returns `false`, and nothing is done, when what it was judged by does not stand any more, or when the token
 *   was used before
 */
export async function insertGrantedExchange(
  db: Db,
  record: NewAuditRecord,
  judgedBy: JudgedBy,
  used?: TokenUse,
): Promise<boolean> {
  const { at, metadata, ...texts } = record;
  const given = { ...texts, ...judgedBy, at: at.toISOString(), metadata: JSON.stringify(metadata) };
  const query = prepared(db);
  const rows = await (used
    ? query.withUse.execute({
        ...given,
        issuerId: used.issuerId,
        robotId: used.robotId,
        jti: used.jti,
        expiresAt: used.expiresAt.toISOString(),
      })
    : query.alone.execute(given));
  return rows.length > 0;
}

const queries = new WeakMap<Db, ReturnType<typeof prepareBoth>>();

function prepared(db: Db): ReturnType<typeof prepareBoth> {
  const both = queries.get(db) ?? prepareBoth(db);
  queries.set(db, both);
  return both;
}

function prepareBoth(db: Db) {
  return { alone: prepare(db, false), withUse: prepare(db, true) };
}

function prepare(db: Db, usesToken: boolean) {
  const given = sql.placeholder;
  const selection = { id: sql<string>`id` };
  const standing = db.$with("standing", selection).as(sql`
    select ${bindings.id} from ${bindings}
    join ${issuers} on ${issuers.id} = ${bindings.issuerId}
    join ${robots} on ${robots.id} = ${bindings.robotId}
    join ${organizations} on ${organizations.id} = ${robots.organizationId}
    where ${bindings.id} = ${given("bindingId")} and ${bindings.version} = ${given("bindingVersion")}
      and ${robots.tokenEpoch} = ${given("epoch")} and not ${robots.disabled} and ${organizations.deletedAt} is null
      and ${issuers.revision} = ${given("issuerRevision")} and not ${issuers.disabled}`);
  const used = db.$with("used", selection).as(sql`
    insert into ${usedTokens} (issuer_id, jti, robot_id, used_at, request_id, expires_at)
    select ${given("issuerId")}::uuid, ${given("jti")}, ${given("robotId")}::uuid, ${given("at")}::timestamptz,
      ${given("requestId")}, ${given("expiresAt")}::timestamptz
    from standing on conflict do nothing returning robot_id as id`);
  const recorded = db.$with("recorded", selection).as(sql`
    insert into ${auditRecords} (
      id, at, kind, organization, robot, outcome, code, request_id, client_address, metadata
    )
    select ${given("id")}::uuid, ${given("at")}::timestamptz, ${given("kind")}, ${given("organization")},
      ${given("robot")}, ${given("outcome")}, ${given("code")}, ${given("requestId")}, ${given("clientAddress")},
      ${given("metadata")}::jsonb
    from ${usesToken ? sql`used` : sql`standing`} returning id`);
  const steps = usesToken ? [standing, used, recorded] : [standing, recorded];
  return db
    .with(...steps)
    .select({ id: sql<string>`id` })
    .from(recorded)
    .prepare("granted_exchange");
}
