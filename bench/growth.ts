import type { Robot } from "./robots.ts";

const REPOSITORIES_OF_EACH = 5;
/** Rows that one statement makes. */
const ORGANIZATIONS_AT_ONCE = 50;

/** How much a database holds. */
export interface Population {
  readonly organizations: number;
  readonly robotsOfEach: number;
  readonly bindingsOfEach: number;
}

type Sql = import("postgres").Sql;

/**
 * Fills a database that Berth has prepared, by SQL: a management call for each of a million bindings would take
 * hours.
 *
 * @returns so many of its robots, from all over it
 */
export async function populate(
  sql: Sql,
  issuer: string,
  { organizations, robotsOfEach, bindingsOfEach }: Population,
  robots: number,
  tell: (line: string) => void,
): Promise<readonly Robot[]> {
  // Nobody is to be told of each row, and what refers to what is right as it is made.
  await sql`set session_replication_role = replica`;
  const issuerId = crypto.randomUUID();
  await sql`insert into issuers (id, issuer, created_at) values (${issuerId}, ${issuer}, now())`;
  for (let from = 0; from < organizations; from += ORGANIZATIONS_AT_ONCE) {
    const to = Math.min(from + ORGANIZATIONS_AT_ONCE, organizations) - 1;
    await sql`
      with organization as (
        insert into organizations (id, name, created_at)
        select gen_random_uuid(), 'org-' || n, now() from generate_series(${from}::int, ${to}::int) n
        returning id, name
      ), robot as (
        insert into robots (id, organization_id, name, description, unstructured_metadata, created_at, created_by)
        select gen_random_uuid(), organization.id, 'robot-' || n, '', '{}', now(), 'bench'
        from organization, generate_series(0, ${robotsOfEach - 1}::int) n
        returning id, organization_id, name
      ), named as (
        select robot.id, organization.name || '/' || robot.name as project
        from robot join organization on organization.id = organization_id
      ), bound as (
        insert into bindings (id, robot_id, issuer_id, position, version, subject, mode, created_at)
        select gen_random_uuid(), id, ${issuerId}, n, 1, 'repo:' || project || ':' || n, 'enforce', now()
        from named, generate_series(0, ${bindingsOfEach - 1}::int) n
      )
      insert into grants (id, robot_id, registry_id, position, type, pattern, actions)
      select gen_random_uuid(), named.id, registries.id, n, 'repository', project || '/image-' || n, '{pull,push}'
      from named, registries, generate_series(0, ${REPOSITORIES_OF_EACH - 1}::int) n
      where is_default`;
    tell(`${(to + 1) * robotsOfEach * bindingsOfEach} bindings`);
  }
  await sql`vacuum analyze`;
  const step = (organizations * robotsOfEach) / robots;
  return Array.from({ length: robots }, (_, i) => describe(Math.floor(i * step), robotsOfEach, bindingsOfEach));
}

/** Its last binding is the one that matches. */
function describe(serial: number, robotsOfEach: number, bindingsOfEach: number): Robot {
  const organization = `org-${Math.floor(serial / robotsOfEach)}`;
  const robot = `robot-${serial % robotsOfEach}`;
  const project = `${organization}/${robot}`;
  return {
    name: `${organization}+${robot}`,
    subject: `repo:${project}:${bindingsOfEach - 1}`,
    repositories: Array.from({ length: REPOSITORIES_OF_EACH }, (_, n) => `${project}/image-${n}`),
  };
}
