import { afterAll, beforeAll, describe } from "vitest";
import { auditClauses } from "./clauses/audit.ts";
import { exchangeClauses } from "./clauses/exchange.ts";
import { federationClauses } from "./clauses/federation.ts";
import { httpClauses } from "./clauses/http.ts";
import { managementClauses } from "./clauses/management.ts";
import { oauthClauses } from "./clauses/oauth.ts";
import { refusalClauses } from "./clauses/refusals.ts";
import { registryClauses } from "./clauses/registry.ts";
import { stateClauses } from "./clauses/state.ts";
import { wellKnownClauses } from "./clauses/well-known.ts";
import type { Target } from "./target.ts";

/** Clauses learn of the service when their tests run. */
export type Reach = () => Target;

/** What Berth promises over the wire, wherever it runs. */
export function conformance(title: string, start: () => Promise<Target>): void {
  describe(title, () => {
    let target: Target;
    beforeAll(async () => {
      target = await start();
    });
    afterAll(() => target?.stop());
    const reach: Reach = () => target;

    for (const clauses of [
      exchangeClauses,
      oauthClauses,
      wellKnownClauses,
      registryClauses,
      managementClauses,
      federationClauses,
      stateClauses,
      auditClauses,
      refusalClauses,
      httpClauses,
    ]) {
      clauses(reach);
    }
  });
}
