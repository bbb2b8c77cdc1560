import type { Deps } from "../deps.ts";
import { type AnonymousPull, listAnonymousPullsOf } from "../store/anonymous-pulls.ts";
import type { Organization } from "../store/organizations.ts";

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
