/** How often registry tokens were issued to one robot for one action on one repository, on one day. */
export interface RepositoryUse {
  readonly robotId: string;
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
  /** Robots' repositories that are counted by their names. */
  readonly named: Map<string, true>;
}

export function createUses(): Uses {
  return { repositories: new Map(), robots: new Map(), named: new Map() };
}

export function addUse({ repositories }: Uses, use: RepositoryUse): void {
  const key = JSON.stringify([use.robotId, use.service, use.repository, use.action, use.day]);
  const count = (repositories.get(key)?.count ?? 0) + use.count;
  repositories.set(key, { ...use, count });
}
