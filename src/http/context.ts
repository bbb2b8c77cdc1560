import type { Context } from "hono";
import { Secret } from "../domain/secret.ts";
import type { RequestOrigin } from "../services/audit.ts";
import { ManagementError } from "../services/management-error.ts";

/** What the middleware of `app.ts` puts beside each request. */
export interface AppEnv {
  Variables: {
    requestId: string;
    clientAddress: string | undefined;
    /** For the figures, of a request for a token: `granted`, or the code of why not, however little is told of it. */
    reason: string | undefined;
    /** Whose limit it ran into. */
    limitedBy: string | undefined;
    /** Of the registry that it is for. */
    service: string | undefined;
  };
}

export function originOf(c: Context<AppEnv>): RequestOrigin {
  return { requestId: c.get("requestId"), clientAddress: c.get("clientAddress") };
}

/**
 * The API token of a request to the management API.
 *
 * @throws {ManagementError} when there is none
 */
export function readBearer(c: Pick<Context, "req">): Secret {
  const apiToken = /^bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "")?.[1];
  if (apiToken) return new Secret(apiToken);
  throw new ManagementError("unauthenticated", "Send an API token: Authorization: Bearer TOKEN.");
}
