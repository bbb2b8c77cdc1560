import type { ResourceActions } from "./scope.ts";

/** How often registry tokens were issued to one robot for one action on one repository, on one day. */
export interface RepositoryUse {
  /** `org+robot`; empty for nobody. */
  readonly robot: string;
  /** Of the registry. */
  readonly service: string;
  readonly repository: string;
  readonly action: string;
  /** UTC, `YYYY-MM-DD`. */
  readonly day: string;
  readonly count: number;
  readonly lastUsed: Date;
}

/** What registry tokens were issued for since it was last written down. Values alone. */
export interface Uses {
  /** By all that tells one from another. */
  readonly repositories: Map<string, RepositoryUse>;
  /** When robots were last seen, by id. */
  readonly robots: Map<string, Date>;
}

export function createUses(): Uses {
  return { repositories: new Map(), robots: new Map() };
}

export interface IssuedUse {
  /** Absent: nobody's. */
  readonly robot?: { readonly id: string; readonly fullName: string };
  readonly service: string;
  readonly access: readonly ResourceActions[];
}

/** Notes what a registry token was issued for, to be written down with others. */
export function noteUse(uses: Uses, lastUsed: Date, { robot, service, access }: IssuedUse): void {
  if (robot) uses.robots.set(robot.id, lastUsed);
  const day = lastUsed.toISOString().slice(0, 10);
  for (const { type, name, actions } of access) {
    const repository = type === "repository" ? name : `${type}:${name}`;
    for (const action of actions) {
      addUse(uses, { robot: robot?.fullName ?? "", service, repository, action, day, count: 1, lastUsed });
    }
  }
}

export function addUse({ repositories }: Uses, use: RepositoryUse): void {
  const key = JSON.stringify([use.robot, use.service, use.repository, use.action, use.day]);
  const count = (repositories.get(key)?.count ?? 0) + use.count;
  repositories.set(key, { ...use, count });
}
