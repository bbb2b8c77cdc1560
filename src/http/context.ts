import type { Context } from "hono";
import type { RequestOrigin } from "../services/audit.ts";

/** What the middleware of `app.ts` puts beside each request. */
export interface AppEnv {
  Variables: {
    requestId: string;
    clientAddress: string | undefined;
  };
}

export function originOf(c: Context<AppEnv>): RequestOrigin {
  return { requestId: c.get("requestId"), clientAddress: c.get("clientAddress") };
}
