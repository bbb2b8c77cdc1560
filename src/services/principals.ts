import type { Deps } from "../deps.ts";
import { findPrincipalByToken, type Principal } from "../store/principals.ts";
import { sha256 } from "../tokens/signing-key.ts";
import type { RequestOrigin } from "./audit.ts";
import { ManagementError } from "./management-error.ts";

/** Who asks, and from where. */
export interface Actor extends RequestOrigin {
  readonly principal: Principal;
}

/** @throws {ManagementError} unless the API token is somebody's */
export async function authenticatePrincipal({ db }: Pick<Deps, "db">, apiToken: string): Promise<Principal> {
  const principal = await findPrincipalByToken(db, await sha256(apiToken));
  if (!principal) throw new ManagementError("unauthenticated", "The API token is not known here, or was ended.");
  return principal;
}

/** @throws {ManagementError} */
export function requireSuperUser({ principal }: Actor): void {
  if (!principal.superUser) throw new ManagementError("forbidden", "Only a superuser may do this.");
}
