import { Hono } from "hono";
import type { Deps } from "../deps.ts";
import { publicKeyEntry, signatureAlgorithm } from "../tokens/signing-key.ts";
import type { AppEnv } from "./context.ts";

/** What clients can find out by themselves (RFC 8414, OpenID Connect Discovery 1.0). */
export function wellKnownRoutes({ config, keys }: Deps): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  const metadata = {
    issuer: config.publicUrl,
    token_endpoint: `${config.publicUrl}/oauth2/token`,
    revocation_endpoint: `${config.publicUrl}/oauth2/revoke`,
    revocation_endpoint_auth_methods_supported: ["none"],
    jwks_uri: `${config.publicUrl}/.well-known/jwks.json`,
    grant_types_supported: ["urn:ietf:params:oauth:grant-type:token-exchange"],
    token_endpoint_auth_methods_supported: ["none"],
    response_types_supported: [],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: [signatureAlgorithm],
    /** The audience that a CI job asks its platform for. */
    berth_audience: config.audiences[0],
  };
  routes.get("/openid-configuration", (c) => c.json(metadata));
  routes.get("/oauth-authorization-server", (c) => c.json(metadata));
  routes.get("/jwks.json", async (c) => c.json({ keys: (await keys.robotToken()).verifying.map(publicKeyEntry) }));
  return routes;
}
