import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Deps } from "../deps.ts";
import { formatScope } from "../domain/scope.ts";
import { printable } from "../domain/text.ts";
import { limits } from "../limits.ts";
import type { Login } from "../services/authenticate-robot.ts";
import { type AuthorizeRefusal, chooseRegistry, issueRegistryToken } from "../services/authorize.ts";
import {
  askFallback,
  type FallbackResult,
  isForFallback,
  type RegistryWithFallback,
} from "../services/fallback-realm.ts";
import type { Registry } from "../store/registries.ts";
import { type AppEnv, originOf } from "./context.ts";
import { answerMethods } from "./methods.ts";
import { countOutcomes } from "./observe.ts";
import { passOn, toFallbackRequest } from "./registry-fallback.ts";
import { readBasicLogin, readFormLogin, type Unreadable } from "./registry-login.ts";

const TOKEN_PATHS = ["/v2/auth", "/auth/token", "/auth"];

/** The token server that registries send their clients to. */
export function registryRoutes(deps: Deps): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  const counted = countOutcomes(deps, (outcome, reason, c) =>
    deps.metrics.registryToken(outcome, reason, c.get("service") ?? ""),
  );
  for (const path of TOKEN_PATHS) routes.use(path, counted);
  routes.on("GET", TOKEN_PATHS, (c) => issueByQuery(deps, c));
  routes.on("POST", TOKEN_PATHS, limitForm, (c) => issueByForm(deps, c));
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

/** What a client asks for, however it sends it. */
interface TokenRequest {
  readonly login: Login | Unreadable | undefined;
  readonly parameters: URLSearchParams;
  readonly form?: URLSearchParams;
}

/** @see https://distribution.github.io/distribution/spec/auth/token/ */
async function issueByQuery(deps: Deps, c: Context<AppEnv>): Promise<Response> {
  return answerTokenRequest(deps, c, { login: readBasicLogin(c), parameters: queryOf(c) });
}

function queryOf({ req: { url } }: Context<AppEnv>): URLSearchParams {
  const start = url.indexOf("?");
  return new URLSearchParams(start === -1 ? "" : url.slice(start));
}

/** @see https://distribution.github.io/distribution/spec/auth/oauth/ */
async function issueByForm(deps: Deps, c: Context<AppEnv>): Promise<Response> {
  const hasForm = /^application\/x-www-form-urlencoded *(;|$)/i.test(c.req.header("content-type") ?? "");
  const body = await c.req.text();
  if (body !== "" && !hasForm) {
    return tellRegistry(c, 400, "UNSUPPORTED", "Send the parameters as application/x-www-form-urlencoded.");
  }
  const form = new URLSearchParams(body);
  if (form.has("grant_type"))
    return answerTokenRequest(deps, c, { login: readFormLogin(form), parameters: form, form });
  const parameters = new URLSearchParams([...queryOf(c), ...form]);
  return answerTokenRequest(deps, c, { login: readBasicLogin(c), parameters, ...(form.size > 0 && { form }) });
}

async function answerTokenRequest(
  deps: Deps,
  c: Context<AppEnv>,
  { login, parameters, form }: TokenRequest,
): Promise<Response> {
  const [service = "", other] = new Set(parameters.getAll("service"));
  if (other !== undefined) {
    return refuse(deps, c, { code: "service_unknown", service: printable(`${service} and ${other}`) });
  }
  const registry = await chooseRegistry(deps, service);
  if (!registry) return refuse(deps, c, { code: "service_unknown", service: printable(service) });
  c.set("service", registry.service);
  if (login && "detail" in login) return refuse(deps, c, { code: "credential_unreadable", detail: login.detail });
  if (login && hasFallback(registry) && (await isForFallback(deps, registry, login))) {
    const result = await askFallback(deps, registry, { ...toFallbackRequest(c, form), login });
    if ("refusal" in result) return refuse(deps, c, result.refusal);
    c.set("reason", "passed_on");
    return passOn(c, result.answer);
  }
  return issueToken(deps, c, registry, login, parameters);
}

async function issueToken(
  deps: Deps,
  c: Context<AppEnv>,
  registry: Registry,
  login: Login | undefined,
  parameters: URLSearchParams,
): Promise<Response> {
  const result = await issueRegistryToken(deps, registry, {
    ...originOf(c),
    method: c.req.method,
    ...(login && { login }),
    scopes: parameters.getAll("scope"),
    offline: parameters.get("offline_token") === "true" || parameters.get("access_type") === "offline",
  });
  if (!result.ok) return refuse(deps, c, result.refusal);

  const { token, refreshToken, access, issuedAt, expiresIn } = result.issued;
  const rest = JSON.stringify({
    expires_in: expiresIn,
    issued_at: new Date(issuedAt * 1000).toISOString(),
    ...(refreshToken !== undefined && { refresh_token: refreshToken }),
    ...(c.req.method === "POST" && { scope: access.map(formatScope).join(" ") }),
  });
  // A token needs no escaping, and is most of the answer.
  const answer = `{"token":"${token}","access_token":"${token}",${rest.slice(1)}`;
  if (answer.length > limits.answerBytes) {
    return tellRegistry(c, 400, "UNSUPPORTED", "The token would be too long: ask for fewer scopes at once.");
  }
  c.set("reason", "granted");
  c.header("Cache-Control", "no-store");
  return c.body(answer, 200, { "Content-Type": "application/json" });
}

function hasFallback(registry: Registry): registry is RegistryWithFallback {
  return registry.fallbackRealm !== null;
}

export type TokenRefusal =
  | { readonly code: "service_unknown"; readonly service: string }
  | AuthorizeRefusal
  | Extract<FallbackResult, { refusal: unknown }>["refusal"];

function refuse({ config }: Pick<Deps, "config">, c: Context<AppEnv>, refusal: TokenRefusal): Response {
  c.set("reason", refusal.code);
  if (refusal.code === "rate_limited") c.set("limitedBy", "login");
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
    case "rate_limited":
      c.header("Retry-After", String(refusal.retryAfter));
      return tellRegistry(
        c,
        429,
        "TOOMANYREQUESTS",
        `Too many logins failed at this address: check the password, and try again in ${refusal.retryAfter} seconds.`,
      );
    case "fallback_unreachable":
      c.header("Retry-After", "5");
      return tellRegistry(c, 503, "UNAVAILABLE", refusal.detail);
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
  status: 400 | 401 | 404 | 405 | 413 | 429 | 500 | 503,
  code: string,
  message: string,
): Response {
  c.header("Cache-Control", "no-store");
  return c.json({ errors: [{ code, message, detail: { request_id: c.get("requestId") } }] }, status);
}
