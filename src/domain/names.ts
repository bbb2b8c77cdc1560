import { limits } from "../limits.ts";

/** A robot account, addressed as `organization+robot`. */
export interface RobotName {
  readonly organization: string;
  readonly robot: string;
}

const WORDS = "[a-z0-9]+(?:[._-][a-z0-9]+)*";
const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const PATH = `${COMPONENT}(?:/${COMPONENT})*`;
const NAME = new RegExp(`^${WORDS}$`);
const REPOSITORY = new RegExp(`^${PATH}$`);

/** What these names are, but for their lengths, as schemas say it. */
export const namePatterns = {
  name: `^${WORDS}$`,
  /** A principal's, or a robot's in full. */
  member: `^${WORDS}(?:[+]${WORDS})?$`,
  /** A repository's, or a prefix of some. */
  repositories: `^${PATH}(?:/[*])?$`,
  /** The same, or all. */
  grant: `^(?:[*]|${PATH}(?:/[*])?)$`,
  /** Of repositories that are an organization's own. */
  prefix: `^${PATH}(?:/[*]?)?$`,
};

export const nameRule = "2 to 255 characters: lower-case letters and digits, with single . _ - between them";

/** Whether `text` can name an organization or a robot. */
export function isName(text: string): boolean {
  return text.length >= limits.name.min && text.length <= limits.name.max && NAME.test(text);
}

/**
 * Reads `organization+robot`. A space reads as `+`, because a form that was encoded once too
 * seldom turns one into the other and neither name can hold a space.
 */
export function parseRobotName(text: string): RobotName | undefined {
  const parts = text.replace(" ", "+").split("+");
  const [organization, robot] = parts;
  if (parts.length !== 2 || !organization || !robot) return undefined;
  return isName(organization) && isName(robot) ? { organization, robot } : undefined;
}

export function formatRobotName({ organization, robot }: RobotName): string {
  return `${organization}+${robot}`;
}

/** Whether `text` is a repository name of the OCI distribution specification ("Pulling manifests"). */
export function isRepositoryName(text: string): boolean {
  return text.length <= limits.repositoryName && REPOSITORY.test(text);
}
