import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { ContentfulStatusCode } from "hono/utils/http-status";
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
import { readBasicLogin, readFormLogin, type Unreadable } from "./registry-login.ts";

const TOKEN_PATHS = ["/v2/auth", "/auth/token", "/auth"];

/** The token server that registries send their clients to. */
export function registryRoutes(deps: Deps): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
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
  /** A form. */
  readonly body?: string;
}

/** @see https://distribution.github.io/distribution/spec/auth/token/ */
async function issueByQuery(deps: Deps, c: Context<AppEnv>): Promise<Response> {
  return answerTokenRequest(deps, c, { login: readBasicLogin(c), parameters: new URL(c.req.url).searchParams });
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
  const query = form.has("grant_type") ? [] : new URL(c.req.url).searchParams;
  const parameters = new URLSearchParams([...query, ...form]);
  return answerTokenRequest(deps, c, { login, parameters, ...(form.size > 0 && { body }) });
}

async function answerTokenRequest(deps: Deps, c: Context<AppEnv>, request: TokenRequest): Promise<Response> {
  const { login, parameters } = request;
  const service = parameters.get("service") ?? "";
  const registry = await chooseRegistry(deps, service);
  if (!registry) return refuse(deps, c, { code: "service_unknown", service: printable(service) });
  if (login && "detail" in login) return refuse(deps, c, { code: "credential_unreadable", detail: login.detail });
  if (login && hasFallback(registry) && (await isForFallback(deps, registry, login))) {
    return passOn(deps, c, await askFallback(deps, registry, { ...handedOn(c, request), login }));
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
  const answer = JSON.stringify({
    token,
    access_token: token,
    expires_in: expiresIn,
    issued_at: new Date(issuedAt * 1000).toISOString(),
    ...(refreshToken !== undefined && { refresh_token: refreshToken }),
    ...(c.req.method === "POST" && { scope: access.map(formatScope).join(" ") }),
  });
  if (answer.length > limits.answerBytes) {
    return tellRegistry(c, 400, "UNSUPPORTED", "The token would be too long: ask for fewer scopes at once.");
  }
  c.header("Cache-Control", "no-store");
  return c.body(answer, 200, { "Content-Type": "application/json" });
}

function hasFallback(registry: Registry): registry is RegistryWithFallback {
  return registry.fallbackRealm !== null;
}

/** A request for another token server, with the one credential in it that was read. */
function handedOn(c: Context<AppEnv>, { body }: TokenRequest) {
  const isForm = body !== undefined && new URLSearchParams(body).has("grant_type");
  const query = new URL(c.req.url).searchParams;
  const form = body === undefined ? undefined : new URLSearchParams(body);
  const read = isForm ? CREDENTIALS[form?.get("grant_type") ?? ""] : [];
  for (const name of CREDENTIAL_PARAMETERS) {
    query.delete(name);
    if (!read?.includes(name)) form?.delete(name);
  }
  const headers = ["accept", "content-type", "user-agent", ...(isForm ? [] : ["authorization"])].flatMap((name) => {
    const value = c.req.header(name);
    return value === undefined ? [] : [[name, value]];
  });
  const { clientAddress } = originOf(c);
  if (clientAddress !== undefined) headers.push(["x-forwarded-for", clientAddress]);
  return {
    ...originOf(c),
    via: c.req.header("via"),
    signal: c.req.raw.signal,
    sent: {
      method: c.req.method,
      headers: Object.fromEntries(headers) as Record<string, string>,
      query,
      ...(form && { body: form }),
    },
  };
}

const CREDENTIAL_PARAMETERS = ["username", "password", "refresh_token", "access_token", "client_secret"];
/** By grant type. */
const CREDENTIALS: Readonly<Record<string, readonly string[]>> = {
  password: ["username", "password"],
  refresh_token: ["refresh_token"],
};

/** An answer of the other token server goes to the client as it came. */
function passOn({ config }: Deps, c: Context<AppEnv>, result: FallbackResult): Response {
  if ("refusal" in result) return refuse({ config }, c, result.refusal);
  const { status, headers, body } = result.answer;
  for (const name of ["content-type", "www-authenticate", "retry-after"]) {
    const value = headers.get(name);
    if (value !== null) c.header(name, value);
  }
  c.header("Cache-Control", "no-store");
  // A page of the other server's must not act as one of this origin's.
  c.header("Content-Security-Policy", "sandbox");
  return c.body(body, status as ContentfulStatusCode);
}

export type TokenRefusal =
  | { readonly code: "service_unknown"; readonly service: string }
  | AuthorizeRefusal
  | Extract<FallbackResult, { refusal: unknown }>["refusal"];

function refuse({ config }: Pick<Deps, "config">, c: Context<AppEnv>, refusal: TokenRefusal): Response {
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
