import type { Deps } from "../deps.ts";
import { audiencesProblem, type Problem } from "../domain/binding.ts";
import { isRepositoryName } from "../domain/names.ts";
import { bareName, ownsPattern } from "../domain/ownership.ts";
import { isRepositoryPattern } from "../domain/scope.ts";
import { inTurn, patiently } from "../store/alone.ts";
import { listAnonymousPullsOf, replaceAnonymousPulls } from "../store/anonymous-pulls.ts";
import { keepRegistries, listGrantsIn } from "../store/grants.ts";
import { type Organization, type OrganizationChange, updateOrganization } from "../store/organizations.ts";
import { deleteStaticTokensOf } from "../store/static-tokens.ts";
import type { Actor } from "./actor.ts";
import { requireMatch } from "./entity-tag.ts";
import { getOrganizationToChange, refuseOverlap } from "./manage-organizations.ts";
import { ManagementError, refuseProblems } from "./management-error.ts";
import { recordChange } from "./record-change.ts";
import { viewOfOrganization } from "./views.ts";
import { type OrganizationWithSettings, withSettings } from "./with-settings.ts";

export interface OrganizationSettings extends OrganizationChange {
  readonly anonymousPull?: readonly WantedAnonymousPull[];
}

interface WantedAnonymousPull {
  /** The registry's `service`; absent: the default registry. */
  readonly registry?: string | undefined;
  readonly repository: string;
}

/** Changes what is given. It is judged as what it leads to, since some settings rest on others. */
export async function changeOrganization(
  deps: Pick<Deps, "db" | "clock" | "random">,
  actor: Actor,
  name: string,
  { anonymousPull, ...change }: OrganizationSettings,
): Promise<OrganizationWithSettings> {
  const apply = async (tx: Deps["db"]) => {
    const stored = await getOrganizationToChange(tx, actor, name);
    const before = viewOfOrganization(await withSettings(tx, stored));
    await requireMatch(actor, before);
    const organization = { ...stored, ...change };
    if (actor.access.superUser !== true && !sameNames(organization.repositoryPrefixes, stored.repositoryPrefixes)) {
      throw new ManagementError("forbidden", "Only a superuser may change repository_prefixes.");
    }
    const wanted = anonymousPull && (await onRegistries(tx, anonymousPull));
    const audiences = audiencesProblem(organization);
    refuseProblems([
      ...(audiences ? [{ path: ["audiences"], message: audiences }] : []),
      ...prefixProblems(organization),
      ...(wanted ? pullProblems(organization, wanted) : await orphanProblems(tx, organization)),
      ...(change.repositoryPrefixes ? await orphanedGrants(tx, stored, organization) : []),
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
    const changed = await withSettings(tx, organization);
    await recordChange(deps, tx, actor, {
      kind: "org_change",
      organization: name,
      before,
      after: viewOfOrganization(changed),
    });
    return changed;
  };
  return change.repositoryPrefixes ? inTurn(deps.db, apply) : patiently(deps.db, name, apply);
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

/** What robots may do to names that go would be done to the next one's who gets them. */
async function orphanedGrants(tx: Deps["db"], before: Organization, after: Organization): Promise<Problem[]> {
  const held = await listGrantsIn(tx, after.id);
  const orphaned = held.filter(
    ({ type, pattern }) => type === "repository" && ownsPattern(before, pattern) && !ownsPattern(after, pattern),
  );
  return [...new Set(orphaned.map(({ pattern }) => pattern))].map((pattern) => ({
    path: ["repository_prefixes"],
    message: `must keep what robots hold: take ${pattern} out of their grants first`,
  }));
}

function sameNames(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((name, index) => name === others[index]);
}
