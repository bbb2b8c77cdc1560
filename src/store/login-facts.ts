import { type SQL, sql } from "drizzle-orm";
import type { Grant } from "../domain/scope.ts";
import { type Db, prepareOnce } from "./db.ts";
import { bindings, grants, issuers, organizations, revokedTokens, robots } from "./schema.ts";

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
}

export interface LoginAnswer {
  /** `null`: there is no such robot. */
  readonly robot: LoginFacts | null;
  readonly revoked: boolean;
}

/**
 * Asks for several logins in one query that the database keeps ready: it begins once, and then takes a third of the
 * time for each of them.
 *
 * @returns in their order
 */
export async function readLogins(db: Db, questions: readonly LoginQuestion[]): Promise<LoginAnswer[]> {
  const asked = JSON.stringify(questions.map((question, at) => ({ at, ...question })));
  const rows = await prepared(db).execute({ asked });
  const answers = new Map(rows.map(({ at, ...answer }) => [at, answer]));
  return questions.map((_, at) => answers.get(at) as LoginAnswer);
}

const prepared = prepareOnce((db) => {
  const robot = sql<LoginFacts | null>`(select json_build_object(
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
    where ${organizations.name} = asked.organization and ${organizations.deletedAt} is null
      and ${robots.name} = asked.robot)`;
  // Not `exists`, for which all that was revoked may be read at once.
  const revoked = sql<boolean>`coalesce(
    (select true from ${revokedTokens} where ${revokedTokens.jti} = asked.jti), false)`;
  // drizzle leaves the tables' names out of a field that names columns itself.
  const field = <T>(one: SQL<T>, name: string) => sql<T>`${one}`.as(name);
  return db
    .select({
      at: sql<number>`asked.at`,
      robot: field(robot, "robot"),
      revoked: field(revoked, "revoked"),
    })
    .from(
      sql`json_to_recordset(${sql.placeholder("asked")}::text::json)
        as asked(at int, organization text, robot text, jti text)`,
    )
    .prepare("logins");
});
