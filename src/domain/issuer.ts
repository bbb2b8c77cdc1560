import { limits } from "../limits.ts";

export interface IssuerRules {
  /** Berth's own address, which must never be its own issuer: a robot token would renew itself for ever. */
  readonly publicUrl: string;
  /** Development only: http issuers. */
  readonly allowInsecure: boolean;
}

const ISSUER = /^https?:\/\/(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?(?:\/[\x21-\x7e]*)?$/;

/**
 * What is wrong with an issuer identifier, or `undefined` (OpenID Connect Core §2: an https URL
 * with no query and no fragment). It is never normalised: an issuer is compared byte by byte.
 */
export function issuerProblem(issuer: string, rules: IssuerRules): string | undefined {
  if (issuer.length > limits.issuer) return `must have at most ${limits.issuer} characters`;
  if (!ISSUER.test(issuer) || /[?#\\]/.test(issuer) || !URL.canParse(issuer)) {
    return "must be an https URL with a lower-case host and no user, query or fragment";
  }
  const { protocol, origin, href } = new URL(issuer);
  if (protocol === "http:" && !rules.allowInsecure) return "must start with https://";
  if (origin === new URL(rules.publicUrl).origin) return "must not be this service itself";
  if (href !== issuer && href !== `${issuer}/`) return `must be written as it is asked for: ${href}`;
  return undefined;
}
