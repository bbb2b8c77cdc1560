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

export interface BindingUse {
  readonly count: number;
  readonly lastUsed: Date;
}

/** What tokens were issued by and for since it was last written down. Values alone. */
export interface Uses {
  /** By all that tells one from another. */
  readonly repositories: Map<string, RepositoryUse>;
  /** When robots were last seen, by id. */
  readonly robots: Map<string, Date>;
  /** How often bindings minted, and when last, by id. */
  readonly bindings: Map<string, BindingUse>;
  /** Robots' repositories that are counted by their names. */
  readonly named: Map<string, true>;
}

export function createUses(): Uses {
  return { repositories: new Map(), robots: new Map(), bindings: new Map(), named: new Map() };
}

export function addUse({ repositories }: Uses, use: RepositoryUse): void {
  // None of them has a line's end in it.
  const key = `${use.robotId}\n${use.service}\n${use.repository}\n${use.action}\n${use.day}`;
  const count = (repositories.get(key)?.count ?? 0) + use.count;
  repositories.set(key, { ...use, count });
}

/** Notes a robot token that a binding minted. */
export function noteExchange(
  uses: Uses,
  { robotId, bindingId, at }: { readonly robotId: string; readonly bindingId: string; readonly at: Date },
): void {
  uses.robots.set(robotId, at);
  addBindingUse(uses, bindingId, { count: 1, lastUsed: at });
}

export function addBindingUse({ bindings }: Uses, id: string, { count, lastUsed }: BindingUse): void {
  const before = bindings.get(id);
  const latest = before && before.lastUsed > lastUsed ? before.lastUsed : lastUsed;
  bindings.set(id, { count: (before?.count ?? 0) + count, lastUsed: latest });
}
