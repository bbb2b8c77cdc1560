import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Deps } from "../deps.ts";
import { formatScope } from "../domain/scope.ts";
import { Secret } from "../domain/secret.ts";
import { limits } from "../limits.ts";
import { epochSeconds } from "../platform.ts";
import { type AuthorizeRefusal, issueRegistryToken, type Login } from "../services/authorize.ts";
import { UnpreparedError } from "../store/db.ts";
import { findDefaultRegistry, findRegistry } from "../store/registries.ts";
import { isRegistryToken } from "../tokens/registry-token.ts";
import { readBasic } from "./basic.ts";
import { type AppEnv, originOf } from "./context.ts";
import { answerMethods } from "./methods.ts";

const TOKEN_PATHS = ["/v2/auth", "/auth/token", "/auth"];

/** The token server that registries send their clients to, and what registries need to trust it. */
export function registryRoutes(deps: Deps): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  routes.on("GET", TOKEN_PATHS, (c) => issueByQuery(deps, c));
  routes.on("POST", TOKEN_PATHS, limitForm, (c) => issueByForm(deps, c));
  routes.get("/v2", (c) => answerBase(deps, c));
  routes.get("/registries/:service/certs.pem", (c) => certificates(deps, c));
  answerMethods(
    routes,
    { ...Object.fromEntries(TOKEN_PATHS.map((path) => [path, ["GET", "POST"]])), "/v2": ["GET"] },
    (c, message) => tellRegistry(c, 405, "UNSUPPORTED", message),
  );
  return routes;
}

const limitForm = bodyLimit({
  maxSize: limits.http.exchangeBodyBytes,
  onError: (c) => tellRegistry(c, 413, "UNSUPPORTED", `The body has more than ${limits.http.exchangeBodyBytes} bytes.`),
});

/** @see https://distribution.github.io/distribution/spec/auth/token/ */
async function issueByQuery(deps: Deps, c: Context<AppEnv>): Promise<Response> {
  const parameters = new URL(c.req.url).searchParams;
  return issueToken(deps, c, readBasicLogin(c), parameters);
}

/** @see https://distribution.github.io/distribution/spec/auth/oauth/ */
async function issueByForm(deps: Deps, c: Context<AppEnv>): Promise<Response> {
  const hasForm = /^application\/x-www-form-urlencoded *(;|$)/i.test(c.req.header("content-type") ?? "");
  const body = await c.req.text();
  if (body !== "" && !hasForm) {
    return tellRegistry(c, 400, "UNSUPPORTED", "Send the parameters as application/x-www-form-urlencoded.");
  }
  const form = new URLSearchParams(body);
  const login = form.has("grant_type") ? readFormLogin(form) : readBasicLogin(c);
  return issueToken(deps, c, login, form.size > 0 ? form : new URL(c.req.url).searchParams);
}

async function issueToken(
  deps: Deps,
  c: Context<AppEnv>,
  login: Login | Unreadable | undefined,
  parameters: URLSearchParams,
): Promise<Response> {
  if (login && "detail" in login) return refuse(deps, c, { code: "credential_unreadable", detail: login.detail });
  const service = parameters.get("service");
  const result = await issueRegistryToken(deps, {
    ...originOf(c),
    ...(login && { login }),
    ...(service !== null && { service }),
    scopes: parameters.getAll("scope"),
  });
  if (!result.ok) return refuse(deps, c, result.refusal);

  const { token, access, issuedAt, expiresIn } = result.issued;
  c.header("Cache-Control", "no-store");
  return c.json({
    token,
    access_token: token,
    expires_in: expiresIn,
    issued_at: new Date(issuedAt * 1000).toISOString(),
    ...(c.req.method === "POST" && { scope: access.map(formatScope).join(" ") }),
  });
}

interface Unreadable {
  readonly detail: string;
}

/**
 * `undefined` for nobody: no header, or a name and a password that are both empty. A password without a
 * name is how containerd sends an identity token.
 */
function readBasicLogin(c: Context<AppEnv>): Login | Unreadable | undefined {
  const credential = readBasic(c.req.header("authorization"));
  if (credential.kind === "missing") return undefined;
  if (credential.kind === "unreadable") return { detail: `The credential cannot be read: ${credential.detail}.` };
  const { username, password } = credential;
  if (username === "" && password === "") return undefined;
  return { ...(username !== "" && { username }), password: new Secret(password) };
}

/** A robot token is its own identity token: it says whose it is. */
function readFormLogin(form: URLSearchParams): Login | Unreadable | undefined {
  const [username, password, refreshToken] = ["username", "password", "refresh_token"].map(
    (name) => form.get(name) ?? "",
  );
  switch (form.get("grant_type")) {
    case "password":
      if (!username && !password) return undefined;
      return username ? { username, password: new Secret(password ?? "") } : { detail: "The username is missing." };
    case "refresh_token":
      return refreshToken ? { password: new Secret(refreshToken) } : { detail: "The refresh_token is missing." };
    default:
      return { detail: "The grant_type must be password or refresh_token." };
  }
}

/** `podman login` asks here, of the token server itself as of any registry, whether a credential is good. */
async function answerBase(deps: Deps, c: Context<AppEnv>): Promise<Response> {
  c.header("Docker-Distribution-API-Version", "registry/2.0");
  const registry = await findDefaultRegistry(deps.db);
  if (!registry) throw new UnpreparedError("there is no default registry");
  const compact = /^bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
  const { verifying } = await deps.keys.registry(registry.id);
  const parties = { issuer: deps.config.publicUrl, service: registry.service };
  if (compact && (await isRegistryToken(compact, parties, verifying, epochSeconds(deps.clock)))) return c.json({});
  c.header("WWW-Authenticate", `Bearer realm="${deps.config.publicUrl}/v2/auth",service="${registry.service}"`);
  return tellRegistry(c, 401, "UNAUTHORIZED", "A token is needed: the WWW-Authenticate header says where to get it.");
}

/** PEM, for a registry's `rootcertbundle`. */
async function certificates(deps: Deps, c: Context<AppEnv>): Promise<Response> {
  const registry = await findRegistry(deps.db, c.req.param("service") ?? "");
  if (!registry) return tellRegistry(c, 404, "NAME_UNKNOWN", "There is no registry with that service.");
  const { authorities } = await deps.keys.registry(registry.id);
  return c.body(authorities.join(""), 200, { "Content-Type": "application/x-pem-file" });
}

function refuse({ config }: Deps, c: Context<AppEnv>, refusal: AuthorizeRefusal): Response {
  switch (refusal.code) {
    case "service_unknown":
      return tellRegistry(
        c,
        400,
        "UNSUPPORTED",
        `There is no registry with the service ${JSON.stringify(refusal.service)}: check auth.token.service in the registry's configuration.`,
      );
    case "scope_invalid":
      return tellRegistry(c, 400, "UNSUPPORTED", `The scope cannot be read: ${refusal.detail}.`);
    case "credential_missing":
    case "credential_unreadable":
    case "credential_invalid":
    case "credential_expired":
    case "credential_revoked":
      c.header("WWW-Authenticate", `Basic realm="${config.publicUrl}/v2/auth", charset="UTF-8"`);
      return tellRegistry(
        c,
        401,
        "UNAUTHORIZED",
        "detail" in refusal ? refusal.detail : "Log in with a robot's name and a robot token.",
      );
  }
}

/** Answers with an error that registry clients show (OCI distribution specification, "Error Codes"). */
export function tellRegistry(
  c: Context<AppEnv>,
  status: 400 | 401 | 404 | 405 | 413 | 500 | 503,
  code: string,
  message: string,
): Response {
  c.header("Cache-Control", "no-store");
  return c.json({ errors: [{ code, message, detail: { request_id: c.get("requestId") } }] }, status);
}
