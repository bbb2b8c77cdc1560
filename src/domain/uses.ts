import type { ResourceActions } from "./scope.ts";

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

/** Registry tokens that were issued to one robot for the same. */
export interface IssuedUse {
  readonly robotId: string;
  /** Of the registry. */
  readonly service: string;
  readonly access: readonly ResourceActions[];
  readonly count: number;
  readonly lastUsed: Date;
}

/** What tokens were issued by and for since it was last written down. Values alone. */
export interface Uses {
  /** By all that tells one from another. */
  readonly issued: Map<string, IssuedUse>;
  /** When robots were last seen, by id. */
  readonly robots: Map<string, Date>;
  /** How often bindings minted, and when last, by id. */
  readonly bindings: Map<string, BindingUse>;
  /** Robots' repositories that are counted by their names. */
  readonly named: Map<string, true>;
}

export function createUses(): Uses {
  return { issued: new Map(), robots: new Map(), bindings: new Map(), named: new Map() };
}

/**
 * Notes a registry token.
 *
 * @param scope its access as one text
 */
export function noteIssued(uses: Uses, scope: string, { count, lastUsed, ...use }: IssuedUse): void {
  // None of them has a line's end in it.
  const key = `${use.robotId}\n${use.service}\n${scope}`;
  const before = uses.issued.get(key);
  if (!before && uses.issued.size >= MAX_ISSUED) noteOther(uses, { ...use, count, lastUsed });
  else put(uses, key, { ...use, count: (before?.count ?? 0) + count, lastUsed: later(before?.lastUsed, lastUsed) });
}

/** While they cannot be written, no more than so many are told apart. */
const MAX_ISSUED = 10_000;

/** What repositories are counted as, where there are too many to tell them apart. */
export const otherRepositories = "(others)";

function noteOther(uses: Uses, use: IssuedUse): void {
  const access = use.access.map(({ actions }) => ({ type: "repository", name: otherRepositories, actions }));
  const key = JSON.stringify([use.robotId, use.service, access.map(({ actions }) => actions)]);
  const before = uses.issued.get(key);
  const count = (before?.count ?? 0) + use.count;
  // As many again, and then no more is counted.
  if (before || uses.issued.size < 2 * MAX_ISSUED) {
    put(uses, key, { ...use, access, count, lastUsed: later(before?.lastUsed, use.lastUsed) });
  }
}

function put(uses: Uses, key: string, use: IssuedUse): void {
  uses.issued.set(key, use);
  uses.robots.set(use.robotId, later(uses.robots.get(use.robotId), use.lastUsed));
}

function later(one: Date | undefined, other: Date): Date {
  return one && one > other ? one : other;
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
  bindings.set(id, { count: (before?.count ?? 0) + count, lastUsed: later(before?.lastUsed, lastUsed) });
}
