/** Quay's names for what may be done to a repository, each with all that the one before it allows. */
export const roles = ["read", "write", "admin"] as const;
export type Role = (typeof roles)[number];

export const roleActions = {
  read: ["pull"],
  write: ["pull", "push"],
  admin: ["pull", "push", "delete"],
} as const satisfies Record<Role, readonly string[]>;

/** The greatest role that `actions` contain; there is none in what cannot pull. */
export function roleOf(actions: readonly string[]): Role | undefined {
  return roles.findLast((role) => roleActions[role].every((action) => actions.includes(action)));
}
