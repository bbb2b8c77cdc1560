/** What somebody may do in an organization, each with all that the one before it allows. */
export const organizationRoles = ["reader", "member", "admin"] as const;
export type OrganizationRole = (typeof organizationRoles)[number];

/** A superuser may do all; a read-only one sees all, and changes nothing, whatever its roles. */
export type SuperUser = boolean | "read_only";

/** What a credential opens in the management API. */
export interface Access {
  readonly superUser: SuperUser;
  /** By the organizations' ids. */
  readonly roles: ReadonlyMap<string, OrganizationRole>;
}

/** How an API token narrows what its principal may. */
export interface Narrowing {
  readonly readOnly: boolean;
  /** The ids of the organizations that it is good for, and for nothing else; `null`: all that its principal may. */
  readonly organizationIds: readonly string[] | null;
}

/** The role that access amounts to in an organization; none: it does not even see it. */
export function roleIn({ superUser, roles }: Access, organizationId: string): OrganizationRole | undefined {
  if (superUser === true) return "admin";
  return superUser === "read_only" ? "reader" : roles.get(organizationId);
}

export function isAtLeast(role: OrganizationRole | undefined, needed: OrganizationRole): boolean {
  return role !== undefined && organizationRoles.indexOf(role) >= organizationRoles.indexOf(needed);
}

export function isSameAccess(one: Access, other: Access): boolean {
  return (
    one.superUser === other.superUser &&
    one.roles.size === other.roles.size &&
    [...one.roles].every(([id, role]) => other.roles.get(id) === role)
  );
}

/** What is left of access by a token that narrows it. */
export function narrow(access: Access, { readOnly, organizationIds }: Narrowing): Access {
  const { superUser, roles } = organizationIds === null ? access : within(access, organizationIds);
  if (!readOnly) return { superUser, roles };
  return {
    superUser: superUser && "read_only",
    roles: new Map(Array.from(roles.keys(), (id) => [id, "reader"])),
  };
}

/** In the organizations named alone, even for a superuser. */
function within(access: Access, organizationIds: readonly string[]): Access {
  const roles = organizationIds.flatMap((id) => {
    const role = roleIn(access, id);
    return role === undefined ? [] : [[id, role] as const];
  });
  return { superUser: false, roles: new Map(roles) };
}

/** Whether a token that is narrowed so can do nothing that `holder`'s cannot. */
export function isWithin(token: Narrowing, holder: Narrowing): boolean {
  if (holder.readOnly && !token.readOnly) return false;
  const { organizationIds: held } = holder;
  return held === null || (token.organizationIds?.every((id) => held.includes(id)) ?? false);
}
