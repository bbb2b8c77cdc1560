import type { Deps } from "../deps.ts";
import { audiencesProblem, type Problem } from "../domain/binding.ts";
import { isRepositoryName } from "../domain/names.ts";
import { bareName, ownsPattern } from "../domain/ownership.ts";
import { isRepositoryPattern } from "../domain/scope.ts";
import { inTurn } from "../store/alone.ts";
import { type AnonymousPull, listAnonymousPullsOf, replaceAnonymousPulls } from "../store/anonymous-pulls.ts";
import { keepRegistries } from "../store/grants.ts";
import { type Organization, type OrganizationChange, updateOrganization } from "../store/organizations.ts";
import { deleteStaticTokensOf } from "../store/static-tokens.ts";
import { getOrganizationToChange, recordOrganizationChange, refuseOverlap } from "./manage-organizations.ts";
import { refuseProblems } from "./management-error.ts";
import type { Actor } from "./principals.ts";

export interface OrganizationSettings extends OrganizationChange {
  readonly anonymousPull?: readonly WantedAnonymousPull[];
}

interface WantedAnonymousPull {
  /** The registry's `service`; absent: the default registry. */
  readonly registry?: string | undefined;
  readonly repository: string;
}

/** An organization with those of its settings that are kept apart. */
export interface OrganizationWithSettings {
  readonly organization: Organization;
  readonly anonymousPulls: readonly AnonymousPull[];
}

export async function withSettings(db: Deps["db"], organization: Organization): Promise<OrganizationWithSettings> {
  return { organization, anonymousPulls: await listAnonymousPullsOf(db, [organization.id]) };
}

export async function allWithSettings(
  db: Deps["db"],
  organizations: readonly Organization[],
): Promise<OrganizationWithSettings[]> {
  const ids = organizations.map(({ id }) => id);
  const pulls = await listAnonymousPullsOf(db, ids);
  return organizations.map((organization) => ({
    organization,
    anonymousPulls: pulls.filter(({ organizationId }) => organizationId === organization.id),
  }));
}

/** Changes what is given. It is judged as what it leads to, since some settings rest on others. */
export async function changeOrganization(
  deps: Pick<Deps, "db" | "clock" | "random">,
  actor: Actor,
  name: string,
  { anonymousPull, ...change }: OrganizationSettings,
): Promise<OrganizationWithSettings> {
  const run = change.repositoryPrefixes ? inTurn : inTransaction;
  return run(deps.db, async (tx) => {
    const organization = { ...(await getOrganizationToChange(tx, actor, name)), ...change };
    const wanted = anonymousPull && (await onRegistries(tx, anonymousPull));
    const audiences = audiencesProblem(organization);
    refuseProblems([
      ...(audiences ? [{ path: ["audiences"], message: audiences }] : []),
      ...prefixProblems(organization),
      ...(wanted ? pullProblems(organization, wanted) : await orphanProblems(tx, organization)),
    ]);

    if (change.repositoryPrefixes) await refuseOverlap(tx, organization);
    await updateOrganization(tx, organization.id, change);
    if (wanted) {
      const rows = wanted.map(({ registryId = "", repository }, position) => ({
        organizationId: organization.id,
        registryId,
        position,
        pattern: repository,
      }));
      await replaceAnonymousPulls(tx, organization.id, rows);
    }
    if (change.robotTokens === "never") await deleteStaticTokensOf(tx, organization.id);
    await recordOrganizationChange(deps, tx, actor, "org_change", name, {
      changed: Object.keys({ ...change, ...(anonymousPull && { anonymousPull }) }),
      ...(change.robotTokens && { robot_tokens: change.robotTokens }),
      ...(change.repositoryPrefixes && { repository_prefixes: change.repositoryPrefixes }),
      ...(anonymousPull && { anonymous_pull: anonymousPull.map(describe) }),
    });
    return withSettings(tx, organization);
  });
}

function inTransaction<T>(db: Deps["db"], work: (tx: Deps["db"]) => Promise<T>): Promise<T> {
  return db.transaction(work);
}

interface PullOnRegistry extends WantedAnonymousPull {
  /** Absent: there is no registry of that service. */
  readonly registryId: string | undefined;
}

async function onRegistries(tx: Deps["db"], pulls: readonly WantedAnonymousPull[]): Promise<PullOnRegistry[]> {
  const registries = await keepRegistries(tx);
  return pulls.map((pull) => {
    const found = registries.find(({ service, isDefault }) =>
      pull.registry === undefined ? isDefault : service === pull.registry,
    );
    return { ...pull, registryId: found?.id };
  });
}

function prefixProblems({ repositoryPrefixes }: Organization): Problem[] {
  return repositoryPrefixes.flatMap((prefix, index) =>
    isRepositoryName(bareName(prefix))
      ? []
      : [
          {
            path: ["repository_prefixes", index],
            message: "must be a repository's name, alone or with / or /* behind",
          },
        ],
  );
}

function pullProblems(organization: Organization, wanted: readonly PullOnRegistry[]): Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const [index, { registryId, repository }] of wanted.entries()) {
    const problem = (member: string, message: string) =>
      problems.push({ path: ["anonymous_pull", index, member], message });
    if (registryId === undefined) problem("registry", "is no registry of this service");
    if (!isRepositoryPattern(repository)) {
      problem("repository", "must be a repository's name, or a prefix of names ending in /*");
    } else if (!ownsPattern(organization, repository)) {
      problem("repository", `must be the organization's own: ${organization.name}/… or one of its repository_prefixes`);
    }
    const key = JSON.stringify([registryId, repository]);
    if (seen.has(key)) problem("repository", "is given twice for this registry");
    seen.add(key);
  }
  return problems;
}

/** What anybody may pull must stay the organization's own. */
async function orphanProblems(tx: Deps["db"], organization: Organization): Promise<Problem[]> {
  const stored = await listAnonymousPullsOf(tx, [organization.id]);
  return stored
    .filter(({ pattern }) => !ownsPattern(organization, pattern))
    .map(({ pattern }) => ({
      path: ["repository_prefixes"],
      message: `must keep what anonymous_pull needs: take ${pattern} out of that first, or in the same request`,
    }));
}

function describe({ registry, repository }: WantedAnonymousPull): string {
  return registry === undefined ? repository : `${registry} ${repository}`;
}
