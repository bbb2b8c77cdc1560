import { isRepositoryName } from "./names.ts";

/** What says which repository names are an organization's own. */
export interface RepositoryOwner {
  readonly name: string;
  /** Each `legacy`, for that name and all below it, or `legacy/` or `legacy/*`, for what is below it alone. */
  readonly repositoryPrefixes: readonly string[];
}

/** Whether all that `pattern` covers, a repository's name or a prefix of some ending in `/*`, is the organization's. */
export function ownsPattern({ name, repositoryPrefixes }: RepositoryOwner, pattern: string): boolean {
  const below = [name, ...repositoryPrefixes].map((prefix) => `${bareName(prefix)}/`);
  return repositoryPrefixes.includes(pattern) || below.some((start) => pattern.startsWith(start));
}

/** Whether `name` names one repository, and it is the organization's. */
export function ownsRepository(owner: RepositoryOwner, name: string): boolean {
  return isRepositoryName(name) && ownsPattern(owner, name);
}

/** Whether two organizations could call a repository their own. */
export function overlap(one: RepositoryOwner, other: RepositoryOwner): boolean {
  const [ones, others] = [one, other].map(({ name, repositoryPrefixes }) =>
    [name, ...repositoryPrefixes].map(bareName),
  );
  return (ones ?? []).some((a) =>
    (others ?? []).some((b) => a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`)),
  );
}

/** The name that a prefix starts with, without what says how far it reaches. */
export function bareName(prefix: string): string {
  return prefix.replace(/\/\*?$/, "");
}
