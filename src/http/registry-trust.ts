import { type Context, Hono } from "hono";
import type { Deps } from "../deps.ts";
import { epochSeconds } from "../platform.ts";
import { chooseRegistry } from "../services/authorize.ts";
import { UnpreparedError } from "../store/db.ts";
import type { RegistryKeys } from "../tokens/key-ring.ts";
import { isRegistryToken } from "../tokens/registry-token.ts";
import { publicKeyEntry } from "../tokens/signing-key.ts";
import type { AppEnv } from "./context.ts";
import { tellRegistry } from "./registry.ts";

/** What registries need to trust this token server. */
export function registryTrustRoutes(deps: Deps): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  routes.get("/v2", (c) => answerBase(deps, c));
  routes.get("/registries/:service/certs.pem", (c) =>
    publish(deps, c, ({ certificates }) =>
      c.body(certificates.join(""), 200, { "Content-Type": "application/x-pem-file" }),
    ),
  );
  routes.get("/registries/:service/jwks.json", (c) =>
    publish(deps, c, ({ named }) => c.json({ keys: named.map(publicKeyEntry) })),
  );
  return routes;
}

/** `podman login` asks here, of the token server itself as of any registry, whether a credential is good. */
async function answerBase(deps: Deps, c: Context<AppEnv>): Promise<Response> {
  c.header("Docker-Distribution-API-Version", "registry/2.0");
  const registry = await deps.recall.registry("");
  if (!registry) throw new UnpreparedError("there is no default registry");
  const compact = /^bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
  const { verifying } = await deps.keys.registry(registry.id);
  const parties = { issuer: registry.issuer ?? deps.config.publicUrl, service: registry.service };
  if (compact && (await isRegistryToken(compact, parties, verifying, epochSeconds(deps.clock)))) return c.json({});
  c.header("WWW-Authenticate", `Bearer realm="${deps.config.publicUrl}/v2/auth",service="${registry.service}"`);
  return tellRegistry(c, 401, "UNAUTHORIZED", "A token is needed: the WWW-Authenticate header says where to get it.");
}

async function publish(deps: Deps, c: Context<AppEnv>, present: (keys: RegistryKeys) => Response): Promise<Response> {
  const service = c.req.param("service") ?? "";
  const registry = service === "" ? undefined : await chooseRegistry(deps, service);
  if (!registry) return tellRegistry(c, 404, "NAME_UNKNOWN", "There is no registry with that service.");
  c.header("Cache-Control", "no-cache");
  return present(await deps.keys.registry(registry.id));
}
