import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Deps } from "../deps.ts";
import { formatRobotName, parseRobotName, type RobotName } from "../domain/names.ts";
import type { Refusal } from "../domain/refusal.ts";
import { Secret } from "../domain/secret.ts";
import { printable } from "../domain/text.ts";
import { type Telling, tellCaller } from "../errors.ts";
import { limits } from "../limits.ts";
import {
  type ExchangeRequest,
  type ExchangeResult,
  exchange,
  type GrantedExchange,
  refuseCredential,
} from "../services/exchange.ts";
import { revokeRobotToken } from "../services/revoke.ts";
import { robotTokenAudience } from "../tokens/robot-token.ts";
import { readBasic } from "./basic.ts";
import { type AppEnv, originOf } from "./context.ts";
import { answerMethods } from "./methods.ts";
import { countOutcomes } from "./observe.ts";

const QUAY_ROUTE = "/federation/robot/token";
const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange";
const TOKEN_TYPE = "urn:ietf:params:oauth:token-type:";
const SUBJECT_TOKEN_TYPES = ["jwt", "access_token", "id_token"].map((type) => TOKEN_TYPE + type);
const ISSUED_TOKEN_TYPES = ["jwt", "access_token"].map((type) => TOKEN_TYPE + type);
const ROBOT_RESOURCE = /^urn:(?:berth|quay):robot:(.+)$/;

/** Where external tokens become robot tokens: Quay's route, and OAuth 2.0 Token Exchange (RFC 8693). */
export function exchangeRoutes(deps: Deps): Hono<AppEnv> {
  const routes = new Hono<AppEnv>();
  const counted = countOutcomes(deps, deps.metrics.exchange);
  for (const path of [QUAY_ROUTE, "/token"]) routes.use(path, counted);
  routes.use(
    bodyLimit({
      maxSize: limits.http.exchangeBodyBytes,
      onError: (c) =>
        tell(
          c,
          invalidRequest(`The body has more than ${limits.http.exchangeBodyBytes} bytes.`, "body_too_large"),
          413,
        ),
    }),
  );
  routes.on(["GET", "POST"], QUAY_ROUTE, (c) => exchangeByBasic(deps, c));
  routes.post("/token", (c) => exchangeByForm(deps, c));
  routes.post("/revoke", (c) => revokeByForm(deps, c));
  answerMethods(routes, { [QUAY_ROUTE]: ["GET", "POST"], "/token": ["POST"], "/revoke": ["POST"] }, (c, message) =>
    tell(c, invalidRequest(message, "method_not_allowed"), 405),
  );
  return routes;
}

async function exchangeByBasic(deps: Deps, c: Context<AppEnv>): Promise<Response> {
  const credential = readBasic(c.req.header("authorization"));
  const refuse = async (refusal: Parameters<typeof refuseCredential>[2]) =>
    tellRefusal(c, await refuseCredential(deps, originOf(c), refusal));
  if (credential.kind === "missing") return refuse({ code: "credential_missing" });
  if (credential.kind === "unreadable") return refuse({ code: "credential_unreadable", detail: credential.detail });
  if (credential.password === "") return refuse({ code: "credential_missing" });
  const robot = parseRobotName(credential.username);
  if (!robot) return refuse({ code: "credential_unreadable", detail: "the user name must be organization+robot" });
  const result = await exchange(deps, { ...originOf(c), robot, token: new Secret(credential.password) });
  return answer(c, result, ({ token, issuedAt, expiresIn }) => ({
    token,
    access_token: token,
    token_type: "Bearer",
    expires_in: expiresIn,
    issued_at: new Date(issuedAt * 1000).toISOString(),
    robot: formatRobotName(robot),
  }));
}

async function exchangeByForm(deps: Deps, c: Context<AppEnv>): Promise<Response> {
  const form = await readForm(c);
  if ("error" in form) return tell(c, form.error);
  const read = readExchange(form.parameters, deps);
  if ("error" in read) return tell(c, read);
  const result = await exchange(deps, { ...originOf(c), ...read });
  return answer(c, result, ({ token, expiresIn, scope }) => ({
    access_token: token,
    issued_token_type: `${TOKEN_TYPE}access_token`,
    token_type: "Bearer",
    expires_in: expiresIn,
    ...(scope !== undefined && { scope }),
  }));
}

/** The holder of a robot token ends it (RFC 7009). */
async function revokeByForm(deps: Deps, c: Context<AppEnv>): Promise<Response> {
  const form = await readForm(c);
  if ("error" in form) return tell(c, form.error);
  const token = form.parameters.get("token");
  if (!token) return tell(c, invalidRequest("The parameter token is missing: send the robot token."));
  await revokeRobotToken(deps, originOf(c), new Secret(token));
  c.header("Cache-Control", "no-store");
  return c.body(null, 200);
}

type Form = { readonly parameters: URLSearchParams } | { readonly error: Telling };

/** @see RFC 6749 §3.2: none more than once, and one without a value is none */
async function readForm(c: Context<AppEnv>): Promise<Form> {
  if (!/^application\/x-www-form-urlencoded *(;|$)/i.test(c.req.header("content-type") ?? "")) {
    return { error: invalidRequest("Send the parameters as application/x-www-form-urlencoded.") };
  }
  const sent = new URLSearchParams(await c.req.text());
  const repeated = [...new Set(sent.keys())].find((name) => sent.getAll(name).length > 1);
  if (repeated) {
    return { error: invalidRequest(`The parameter ${printable(repeated, 64)} must not be sent more than once.`) };
  }
  return { parameters: new URLSearchParams([...sent].filter(([, value]) => value !== "")) };
}

type FormRequest = Pick<ExchangeRequest, "robot" | "token" | "scope">;

/** @see RFC 8693 §2.1 */
function readExchange(form: URLSearchParams, { config }: Deps): FormRequest | Telling {
  const grantType = form.get("grant_type");
  if (!grantType) return invalidRequest(`The parameter grant_type is missing: send ${GRANT_TYPE}.`);
  if (grantType !== GRANT_TYPE) {
    return { ...invalidRequest(`The grant_type must be ${GRANT_TYPE}.`), error: "unsupported_grant_type" };
  }
  const token = form.get("subject_token");
  if (!token)
    return invalidRequest("The parameter subject_token is missing: send the OIDC token.", "credential_missing");
  if (!SUBJECT_TOKEN_TYPES.includes(form.get("subject_token_type") ?? "")) {
    return invalidRequest(`The subject_token_type must be one of ${SUBJECT_TOKEN_TYPES.join(", ")}.`);
  }
  if (!ISSUED_TOKEN_TYPES.includes(form.get("requested_token_type") ?? `${TOKEN_TYPE}access_token`)) {
    return invalidRequest(`The requested_token_type must be one of ${ISSUED_TOKEN_TYPES.join(", ")}.`);
  }
  if (form.has("actor_token")) return invalidRequest("An actor_token is not supported.");
  const audience = form.get("audience");
  if (audience !== null && ![config.publicUrl, robotTokenAudience(config.publicUrl)].includes(audience)) {
    return invalidTarget(`The audience can only be ${robotTokenAudience(config.publicUrl)}: leave it out.`);
  }
  const robot = readRobotResource(form.get("resource"));
  if (!robot) return invalidTarget("The resource must name a robot: urn:berth:robot:organization+robot.");
  const scope = form.get("scope");
  return { robot, token: new Secret(token), ...(scope !== null && { scope }) };
}

function readRobotResource(resource: string | null): RobotName | undefined {
  const name = ROBOT_RESOURCE.exec(resource ?? "")?.[1];
  return name === undefined ? undefined : parseRobotName(name);
}

function answer(c: Context<AppEnv>, result: ExchangeResult, present: (granted: GrantedExchange) => object): Response {
  if (!result.granted) return tellRefusal(c, result.refusal);
  c.set("reason", "granted");
  c.header("Cache-Control", "no-store");
  return c.json(present(result.exchange));
}

/** The figures have the reason itself, whatever the caller is told. */
function tellRefusal(c: Context<AppEnv>, refusal: Refusal): Response {
  c.set("reason", refusal.code);
  if (refusal.code === "rate_limited") c.set("limitedBy", refusal.by);
  return tell(c, tellCaller(refusal));
}

function invalidRequest(message: string, code = "request_invalid"): Telling {
  return { status: 400, error: "invalid_request", code, message };
}

function invalidTarget(message: string): Telling {
  return { ...invalidRequest(message, "target_invalid"), error: "invalid_target" };
}

/** Answers with an OAuth error (RFC 6749 §5.2), which Quay's clients read by its `message`. */
export function tell(
  c: Context<AppEnv>,
  { error, code, message, retryAfter, ...telling }: Omit<Telling, "status"> & { status?: Telling["status"] },
  status: ContentfulStatusCode = telling.status ?? 400,
): Response {
  c.set("reason", c.get("reason") ?? code);
  c.header("Cache-Control", "no-store");
  if (status === 401) c.header("WWW-Authenticate", 'Basic realm="berth", charset="UTF-8"');
  if (retryAfter !== undefined) c.header("Retry-After", String(retryAfter));
  return c.json({ error, error_description: message, message, code, request_id: c.get("requestId") }, status);
}
