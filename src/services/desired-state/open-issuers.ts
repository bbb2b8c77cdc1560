import { chooseIssuer } from "../bind-issuer.ts";
import { termsProblems } from "../change-federation.ts";
import type { StateDeps } from "./together.ts";
import type { WantedOrganization } from "./wanted.ts";

/**
 * Opens the issuers that a document is the first to name, all of them in one order: two who open the same ones
 * would otherwise wait for each other.
 */
export async function openIssuers(within: StateDeps, organizations: readonly WantedOrganization[]): Promise<void> {
  const entries = organizations
    .flatMap(({ robots = {} }) => Object.values(robots))
    .flatMap(({ federation = [] }) => federation)
    .filter(({ issuerId, terms }) => issuerId === undefined && termsProblems(within, terms).length === 0);
  const issuers = new Set(entries.map(({ issuer }) => issuer));
  for (const issuer of [...issuers].sort()) await chooseIssuer(within, within.db, { issuer });
}
