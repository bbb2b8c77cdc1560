import { sql } from "drizzle-orm";
import type { Grant } from "../domain/scope.ts";
import type { Db } from "./db.ts";
import { anonymousPulls, bindings, grants, issuers, organizations, revokedTokens, robots } from "./schema.ts";

/** What decides of a robot's login and of what it may do. */
export interface LoginFacts {
  readonly robotId: string;
  readonly organizationId: string;
  readonly disabled: boolean;
  readonly epoch: number;
  /** By the id of each binding. */
  readonly bindings: Readonly<Record<string, BindingFacts>>;
  readonly grants: readonly (Grant & { readonly registryId: string })[];
}

export interface BindingFacts {
  readonly version: number;
  readonly issuerId: string;
  readonly disabled: boolean;
  readonly registered: boolean;
}

export interface LoginQuestion {
  readonly organization: string;
  readonly robot: string;
  /** Of a robot token; empty: of none. */
  readonly jti: string;
  readonly registryId: string;
  /** Repositories, and prefixes of them, as anonymous pulls name them. */
  readonly patterns: readonly string[];
}

export interface LoginAnswer {
  /** `null`: there is no such robot. */
  readonly robot: LoginFacts | null;
  readonly revoked: boolean;
  /** Which of the patterns are open to anybody. */
  readonly open: readonly string[];
}

/** All that a registry token request asks of the database, in one query that it keeps ready. */
export async function readLogin(db: Db, { patterns, ...question }: LoginQuestion): Promise<LoginAnswer> {
  const [row] = await prepared(db).execute({ ...question, patterns: JSON.stringify(patterns) });
  return (row as { answer: LoginAnswer }).answer;
}

const queries = new WeakMap<Db, ReturnType<typeof prepare>>();

function prepared(db: Db): ReturnType<typeof prepare> {
  const query = queries.get(db) ?? prepare(db);
  queries.set(db, query);
  return query;
}

function prepare(db: Db) {
  const given = sql.placeholder;
  const ofRobot = sql`(select json_build_object(
    'robotId', ${robots.id},
    'organizationId', ${robots.organizationId},
    'disabled', ${robots.disabled},
    'epoch', ${robots.tokenEpoch},
    'bindings', (
      select coalesce(json_object_agg(${bindings.id}, json_build_object(
        'version', ${bindings.version},
        'issuerId', ${bindings.issuerId},
        'disabled', ${issuers.disabled},
        'registered', ${issuers.registered}
      )), '{}')
      from ${bindings} join ${issuers} on ${issuers.id} = ${bindings.issuerId} where ${bindings.robotId} = ${robots.id}
    ),
    'grants', (
      select coalesce(json_agg(json_build_object(
        'registryId', ${grants.registryId},
        'type', ${grants.type},
        'pattern', ${grants.pattern},
        'actions', ${grants.actions}
      )), '[]')
      from ${grants} where ${grants.robotId} = ${robots.id}
    ))
    from ${robots} join ${organizations} on ${organizations.id} = ${robots.organizationId}
    where ${organizations.name} = ${given("organization")} and ${organizations.deletedAt} is null
      and ${robots.name} = ${given("robot")})`;
  const revoked = sql`exists (select 1 from ${revokedTokens} where ${revokedTokens.jti} = ${given("jti")})`;
  const open = sql`(select coalesce(json_agg(distinct ${anonymousPulls.pattern}), '[]')
    from ${anonymousPulls} join ${organizations} on ${organizations.id} = ${anonymousPulls.organizationId}
    where ${anonymousPulls.registryId} = ${given("registryId")} and ${organizations.deletedAt} is null
      and ${anonymousPulls.pattern} in (select json_array_elements_text(${given("patterns")}::json)))`;
  return db
    .select({
      answer: sql<LoginAnswer>`json_build_object('robot', ${ofRobot}, 'revoked', ${revoked}, 'open', ${open})`,
    })
    .from(sql`(values (1)) as one`)
    .prepare("login");
}
