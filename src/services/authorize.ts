import type { Deps } from "../deps.ts";
import { formatRobotName, parseRobotName } from "../domain/names.ts";
import {
  authorize,
  formatScope,
  type Grant,
  parseScopes,
  type ResourceActions,
  repositoriesLeftToPull,
} from "../domain/scope.ts";
import { isPlainText, printable } from "../domain/text.ts";
import { noteIssued } from "../domain/uses.ts";
import { limits } from "../limits.ts";
import { epochSeconds } from "../platform.ts";
import type { Registry } from "../store/registries.ts";
import { mintRegistryToken } from "../tokens/registry-token.ts";
import { mintRefreshToken } from "../tokens/robot-token.ts";
import type { RequestOrigin } from "./audit.ts";
import { recordUnproved } from "./audit-refusals.ts";
import { type AuthenticatedRobot, authenticateRobot, type Login, type LoginRefusal } from "./authenticate-robot.ts";
import { countFailedLogin } from "./login-limits.ts";

export interface AuthorizeRequest extends RequestOrigin {
  /** Of HTTP. */
  readonly method: string;
  /** Absent: anonymous. */
  readonly login?: Login;
  readonly scopes: readonly string[];
  /** Whether the client would keep a refresh token. */
  readonly offline: boolean;
}

export interface IssuedRegistryToken {
  readonly token: string;
  readonly refreshToken?: string;
  readonly access: readonly ResourceActions[];
  /** Epoch seconds. */
  readonly issuedAt: number;
  /** Seconds. */
  readonly expiresIn: number;
}

export type AuthorizeResult =
  | { readonly ok: true; readonly issued: IssuedRegistryToken }
  | { readonly ok: false; readonly refusal: AuthorizeRefusal };

export type AuthorizeRefusal =
  | { readonly code: "scope_invalid"; readonly detail: string }
  | { readonly code: "credential_missing" }
  | { readonly code: "rate_limited"; readonly retryAfter: number }
  | LoginRefusal;

type AuthorizeDeps = Pick<
  Deps,
  | "config"
  | "db"
  | "recall"
  | "verdicts"
  | "sha256"
  | "clock"
  | "random"
  | "log"
  | "keys"
  | "limiter"
  | "failedKnocks"
  | "refusalTally"
  | "uses"
>;

/** The registry of that `service`; without one, the default registry. */
export async function chooseRegistry({ recall }: Pick<Deps, "recall">, service: string): Promise<Registry | undefined> {
  return isPlainText(service) ? recall.registry(service) : undefined;
}

/**
 * Turns a credential into a registry token: what is asked for ∩ what is held, which may be nothing.
 * Without a scope it is a login, which nobody passes without a credential.
 */
export async function issueRegistryToken(
  deps: AuthorizeDeps,
  registry: Registry,
  request: AuthorizeRequest,
): Promise<AuthorizeResult> {
  const scopes = parseScopes(request.scopes);
  if (!scopes.ok) {
    const detail =
      scopes.reason === "too_many"
        ? `more than ${limits.scopes} scopes`
        : `${JSON.stringify(printable(scopes.scope))} is no scope, such as repository:acme/app:pull,push`;
    return refuse({ code: "scope_invalid", detail });
  }
  if (!request.login) {
    if (scopes.resources.length === 0) return refuse({ code: "credential_missing" });
    const access = await decide(deps, registry, scopes.resources);
    return { ok: true, issued: await issue(deps, registry, undefined, request, access) };
  }
  const robot = await authenticateRobot(deps, registry, request.login);
  if ("code" in robot) return refuse(await refuseLogin(deps, registry, { ...request, login: request.login }, robot));
  const access = await decide(deps, registry, scopes.resources, robot);
  return { ok: true, issued: await issue(deps, registry, robot, request, access) };
}

/** What is open to anybody is asked for only where somebody may not pull by themselves. */
async function decide(
  { recall }: AuthorizeDeps,
  registry: Registry,
  asked: readonly ResourceActions[],
  robot?: AuthenticatedRobot,
): Promise<readonly ResourceActions[]> {
  const own = robot ? authorize(asked, robot.held, robot.narrowed) : [];
  const left = repositoriesLeftToPull(asked, own);
  if (left.length === 0) return own;
  const open = await recall.open(registry.id, left);
  return open.length === 0 ? own : authorize(asked, robot?.held ?? [], robot?.narrowed, open.map(toOpenGrant));
}

/** A good login is never kept waiting, whoever else fails at that address. */
async function refuseLogin(
  deps: AuthorizeDeps,
  registry: Registry,
  { requestId, clientAddress, method, login }: AuthorizeRequest & { readonly login: Login },
  refusal: LoginRefusal,
): Promise<AuthorizeRefusal> {
  const robot = login.username === undefined ? undefined : parseRobotName(login.username);
  await recordUnproved(deps, {
    requestId,
    clientAddress,
    kind: "registry_token",
    ...(robot && { organization: robot.organization, robot: formatRobotName(robot) }),
    outcome: "refused",
    code: refusal.code,
    metadata: { service: registry.service, detail: refusal.detail },
  });
  const wait = await countFailedLogin(deps, { clientAddress, method, login });
  return wait > 0 ? { code: "rate_limited", retryAfter: wait } : refusal;
}

async function issue(
  deps: AuthorizeDeps,
  registry: Registry,
  robot: AuthenticatedRobot | undefined,
  { requestId, offline }: AuthorizeRequest,
  access: readonly ResourceActions[],
): Promise<IssuedRegistryToken> {
  const issuedAt = epochSeconds(deps.clock);
  const ttl = registry.tokenTtl ?? deps.config.registryTokenTtl;
  const subject = robot ? formatRobotName(robot.name) : "";
  const issuer = registry.issuer ?? deps.config.publicUrl;
  const { signing } = await deps.keys.registry(registry.id);
  const token = await mintRegistryToken(
    // A request gets one token, whose id is found in the log by it.
    { issuer, service: registry.service, subject, access, jti: requestId, issuedAt, ttl },
    await signing(),
  );
  const refreshToken = offline && registry.refreshTokens ? await refresh(deps, registry, robot, issuedAt) : undefined;

  const scope = access.map(formatScope).join(" ");
  if (robot) {
    const use = {
      robotId: robot.id,
      service: registry.service,
      access,
      count: 1,
      lastUsed: new Date(deps.clock.now()),
    };
    noteIssued(deps.uses, scope, use);
  }
  deps.log.info("registry token issued", {
    request_id: requestId,
    robot: subject,
    service: registry.service,
    scope: printable(scope, limits.uses.loggedScope),
    jti: requestId,
    expires_in: ttl,
  });
  return { token, access, issuedAt, expiresIn: ttl, ...(refreshToken !== undefined && { refreshToken }) };
}

function toOpenGrant(pattern: string): Grant {
  return { type: "repository", pattern, actions: ["pull"] };
}

/** It stands for a robot token and ends with it; a static token needs none. */
async function refresh(
  { config, keys }: AuthorizeDeps,
  { service }: Registry,
  robot: AuthenticatedRobot | undefined,
  iat: number,
): Promise<string | undefined> {
  if (!robot?.robotToken) return undefined;
  const { signing } = await keys.robotToken();
  return mintRefreshToken({ ...robot.robotToken, iat }, service, config, await signing());
}

function refuse(refusal: AuthorizeRefusal): AuthorizeResult {
  return { ok: false, refusal };
}
