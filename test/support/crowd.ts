import type { Sql } from "postgres";

/** The organization that most of it is in. */
export const crowded = "org-0500";
/** A principal with a role in every organization, and its API token. */
export const everywhere = { name: "principal-1", token: "token-of-principal-1" };
/** The tables with so many rows that none of them may be read through. */
export const largeTables = ["audit_records", "bindings", "grants", "memberships", "repository_uses", "robots"];

/**
 * Fills a database with as much as a large site has: 100,000 robots in one organization among 1,000, and all
 * that hangs on them.
 */
export async function crowd(sql: Sql): Promise<void> {
  await sql.unsafe(`
    insert into organizations (id, name, created_at, deleted_at)
    select gen_random_uuid(), 'org-' || to_char(n, 'FM0000'), now() - interval '2 years',
      case when n > 1000 then now() end
    from generate_series(1, 1200) as n;

    create temporary table crowded as select id from organizations where name = '${crowded}';

    insert into robots (id, organization_id, name, description, unstructured_metadata, created_at, created_by, role)
    select gen_random_uuid(), crowded.id, 'robot-' || n, '', '{}', now(), 'admin',
      case when n % 100 = 0 then 'reader' end
    from crowded, generate_series(1, 100000) as n;
    insert into robots (id, organization_id, name, description, unstructured_metadata, created_at, created_by)
    select gen_random_uuid(), id, 'robot-' || n, '', '{}', now(), 'admin'
    from organizations, generate_series(1, 10) as n where deleted_at is null and organizations.name <> '${crowded}';

    -- The last five share one string, as clusters do.
    insert into issuers (id, issuer, registered, name, created_at)
    select gen_random_uuid(), 'https://ci-' || least(n, 4) || '.example', true, 'ci ' || n, now()
    from generate_series(1, 8) as n;

    create temporary table numbered as
    select robots.id, robots.organization_id, row_number() over () as n from robots, crowded where organization_id = crowded.id;
    insert into bindings (id, robot_id, issuer_id, position, version, subject, mode, created_at)
    select gen_random_uuid(), numbered.id, issuers.id, k, 1, 'repo:acme/app-' || (n % 50000), 'enforce', now()
    from numbered, generate_series(0, 1) as k,
      lateral (select id from issuers where name = 'ci ' || (1 + (n * 2 + k) % 8)) as issuers;

    insert into grants (id, robot_id, registry_id, position, type, pattern, actions)
    select gen_random_uuid(), numbered.id, registries.id, 0, 'repository',
      '${crowded}/' || case n % 4 when 0 then '*' when 1 then 'shared-' || n % 1000 else 'app-' || n end, '{pull}'
    from numbered, registries where is_default;

    insert into principals (id, name, super_user, created_at)
    select gen_random_uuid(), 'principal-' || n, false, now() from generate_series(1, 2000) as n;
    -- All of them in the one, one of them in all, and each in twenty more.
    insert into memberships (organization_id, principal_id, role)
    select crowded.id, principals.id, 'reader' from crowded, principals where not super_user
    union all
    select organizations.id, principals.id, 'admin' from organizations, principals
    where principals.name = 'principal-1' and organizations.name <> '${crowded}' and deleted_at is null
    union all
    select organizations.id, principals.id, 'member' from principals, generate_series(1, 20) as n,
      lateral (select id from organizations where name = 'org-' || to_char(n * 17, 'FM0000')) as organizations
    where not super_user and principals.name <> 'principal-1';
    insert into api_tokens (id, principal_id, name, token_hash, created_at)
    select gen_random_uuid(), id, 'token',
      rtrim(translate(encode(sha256(('token-of-' || name)::bytea), 'base64'), '+/', '-_'), '='), now()
    from principals where not super_user;

    -- One in a thousand is of an organization with little to do.
    insert into audit_records (id, at, kind, organization, robot, actor, outcome, request_id, metadata)
    select gen_random_uuid(), now() - n * interval '1 minute', 'kind_' || n % 20,
      case when n % 1000 = 0 then 'org-0007' else '${crowded}' end, '${crowded}+robot-' || n % 100000,
      'principal-' || n % 2000, case when n % 10 = 0 then 'refused' else 'success' end, 'request-' || n, '{}'
    from generate_series(1, 200000) as n;

    -- One robot of many repositories, and the others' of this month.
    insert into repository_uses (robot_id, service, repository, action, day, count, last_used)
    select robots.id, 'registry.example', 'acme/app-' || r, 'pull', current_date - d, 1, now()
    from robots, generate_series(1, 50) as r, generate_series(0, 89) as d
    where robots.name = 'robot-1' and organization_id = (select id from crowded);
    insert into repository_uses (robot_id, service, repository, action, day, count, last_used)
    select id, 'registry.example', 'acme/app', 'pull', current_date - (n % 30)::int, 1, now() from numbered;
    analyze;`);
}
