import type { Deps } from "../deps.ts";
import { type BindingOutcome, evaluate } from "../domain/evaluate.ts";
import { issuerProblem } from "../domain/issuer.ts";
import type { JsonObject } from "../domain/json.ts";
import { formatRobotName, type RobotName } from "../domain/names.ts";
import type { Refusal } from "../domain/refusal.ts";
import { formatNarrowing, type Grant, intersectGrants, parseNarrowing } from "../domain/scope.ts";
import { printable } from "../domain/text.ts";
import { limits } from "../limits.ts";
import { type Claims, type ParsedToken, parseToken } from "../oidc/token-shape.ts";
import { defaultAlgorithms, verifyToken } from "../oidc/verify.ts";
import { epochSeconds } from "../platform.ts";
import { type BindingRecord, listBindings, useBinding } from "../store/bindings.ts";
import type { Db } from "../store/db.ts";
import { findRobot, type RobotOfOrganization, touchRobot } from "../store/robots.ts";
import { mintRobotToken } from "../tokens/robot-token.ts";
import { sha256 } from "../tokens/signing-key.ts";
import { type RequestOrigin, recordAudit } from "./audit.ts";

export interface ExchangeRequest extends RequestOrigin {
  readonly robot: RobotName;
  /** The external token, as it came. */
  readonly token: string;
  /** Narrows what the robot token may do. */
  readonly scope?: string;
}

export interface GrantedExchange {
  readonly token: string;
  readonly robot: RobotName;
  /** Epoch seconds. */
  readonly issuedAt: number;
  /** Seconds. */
  readonly expiresIn: number;
  readonly scope?: string;
}

export type ExchangeResult =
  | { readonly granted: true; readonly exchange: GrantedExchange }
  | { readonly granted: false; readonly refusal: Refusal };

type ExchangeDeps = Pick<Deps, "config" | "db" | "clock" | "random" | "issuerKeys" | "keys">;

/** What was found out about a token on its way, granted or not. */
type Judgement =
  | { readonly granted: true; readonly match: Match; readonly claims: Claims; readonly outcomes: Outcomes }
  | {
      readonly granted: false;
      readonly refusal: Refusal;
      readonly claims?: Claims;
      /** Of a token that was verified. */
      readonly outcomes?: Outcomes;
    };

type Outcomes = readonly BindingOutcome[];

interface Match {
  readonly robotId: string;
  readonly binding: BindingRecord;
  readonly narrowed?: readonly Grant[];
}

/** Trades an external OIDC token for a robot token, and leaves one audit record either way. */
export async function exchange(deps: ExchangeDeps, request: ExchangeRequest): Promise<ExchangeResult> {
  const startedAt = deps.clock.now();
  const judgement = await judge(deps, request);
  const result: ExchangeResult = judgement.granted ? await mint(deps, request, judgement, startedAt) : judgement;
  if (!result.granted) await recordExchange(deps.db, deps, request, { judgement, result, startedAt });
  return result;
}

async function judge(deps: ExchangeDeps, request: ExchangeRequest): Promise<Judgement> {
  const requested = readRequestedScope(request.scope);
  if (!requested.ok) return { granted: false, refusal: requested.refusal };

  const parsed = parseToken(request.token);
  if (!parsed.ok) return { granted: false, refusal: parsed.refusal };
  const { token } = parsed;
  const { claims } = token;

  const trust = await findTrust(deps, request.robot, claims.iss);
  if (!trust.ok) return { granted: false, refusal: trust.refusal, claims };
  const { found, bindings } = trust;

  const now = epochSeconds(deps.clock);
  const unverified = await verify(deps, token, now);
  if (unverified) return { granted: false, refusal: unverified, claims };

  const defaults = {
    audiences: found.organization.audiences ?? deps.config.audiences,
    clients: found.organization.clients ?? [],
  };
  const decision = evaluate(bindings, claims, defaults, now);
  const { outcomes } = decision;
  if (!decision.granted) return { granted: false, refusal: decision.refusal, claims, outcomes };

  const { outcome } = decision;
  const binding = bindings.find(({ id }) => id === outcome.binding.id) as BindingRecord;
  const narrowed = narrow(outcome.narrowed?.grants, requested.grants);
  return {
    granted: true,
    claims,
    outcomes,
    match: { robotId: found.robot.id, binding, ...(narrowed && { narrowed }) },
  };
}

function readRequestedScope(scope: string | undefined) {
  if (scope === undefined) return { ok: true, grants: undefined } as const;
  const parsed = parseNarrowing(scope);
  if (parsed.ok && scope.length <= limits.binding.scope) return parsed;
  const refusal: Refusal = parsed.ok
    ? { code: "scope_invalid", scope: printable(scope), detail: `it has more than ${limits.binding.scope} characters` }
    : { code: "scope_invalid", scope: printable(parsed.scope), detail: "it is no scope of a repository" };
  return { ok: false, refusal } as const;
}

type Trust =
  | { readonly ok: true; readonly found: RobotOfOrganization; readonly bindings: readonly BindingRecord[] }
  | { readonly ok: false; readonly refusal: Refusal };

/** The robot's bindings to one issuer. Nothing is fetched for an issuer that it is not bound to. */
async function findTrust({ config, db }: ExchangeDeps, name: RobotName, issuer: string): Promise<Trust> {
  const refuse = (refusal: Refusal): Trust => ({ ok: false, refusal });
  const found = await findRobot(db, name);
  if (!found) return refuse({ code: "robot_unknown" });
  if (found.robot.disabled) return refuse({ code: "robot_disabled" });

  const all = await listBindings(db, found.robot.id);
  if (all.length === 0) return refuse({ code: "robot_unbound", auditOnly: false });
  const bindings = all.filter((binding) => binding.issuer === issuer);
  const rules = { publicUrl: config.publicUrl, allowInsecure: config.allowInsecureIssuers };
  if (bindings.length === 0 || issuerProblem(issuer, rules)) return refuse({ code: "issuer_unbound", issuer });
  if (bindings.every(({ issuerDisabled }) => issuerDisabled)) return refuse({ code: "issuer_disabled", issuer });
  return { ok: true, found, bindings };
}

function verify({ issuerKeys }: ExchangeDeps, token: ParsedToken, now: number): Promise<Refusal | undefined> {
  return verifyToken(token, { issuer: token.claims.iss, algorithms: defaultAlgorithms }, issuerKeys, now);
}

function narrow(one: readonly Grant[] | undefined, other: readonly Grant[] | undefined): readonly Grant[] | undefined {
  return one && other ? intersectGrants(one, other) : (one ?? other);
}

async function mint(
  deps: ExchangeDeps,
  request: ExchangeRequest,
  judgement: Extract<Judgement, { granted: true }>,
  startedAt: number,
): Promise<ExchangeResult> {
  const { match } = judgement;
  const { binding } = match;
  const iat = epochSeconds(deps.clock);
  const ttl = Math.min(binding.tokenTtl ?? deps.config.robotTokenTtl, deps.config.robotTokenTtl);
  const exp = Math.min(iat + ttl, binding.expiresAt ?? Number.POSITIVE_INFINITY);
  const jti = deps.random.uuid();
  const scope = match.narrowed && formatNarrowing(match.narrowed);
  const minted = {
    robot: request.robot,
    bindingId: binding.id,
    bindingVersion: binding.version,
    jti,
    iat,
    exp,
    ...(scope !== undefined && { scope }),
  };
  const { signing } = await deps.keys.robotToken();
  const token = await mintRobotToken(minted, deps.config, signing);

  return deps.db.transaction(async (tx): Promise<ExchangeResult> => {
    const at = new Date(deps.clock.now());
    if (!(await useBinding(tx, binding, at))) {
      return { granted: false, refusal: { code: "issuer_unbound", issuer: binding.issuer } };
    }
    await touchRobot(tx, match.robotId, at, at);
    const result: ExchangeResult = {
      granted: true,
      exchange: {
        token,
        robot: request.robot,
        issuedAt: iat,
        expiresIn: exp - iat,
        ...(scope !== undefined && { scope }),
      },
    };
    await recordExchange(tx, deps, request, { judgement, result, startedAt, jti });
    return result;
  });
}

interface ExchangeFacts {
  readonly judgement: Judgement;
  readonly result: ExchangeResult;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  /** Of the robot token. */
  readonly jti?: string;
}

async function recordExchange(
  db: Db,
  deps: ExchangeDeps,
  request: ExchangeRequest,
  { judgement, result, startedAt, jti }: ExchangeFacts,
): Promise<void> {
  const { claims, outcomes } = judgement;
  const metadata: JsonObject = {
    ...(claims && { issuer: claims.iss, subject: claims.sub, audience: claims.aud }),
    ...(claims?.jti !== undefined && { jti: claims.jti }),
    ...(judgement.granted && {
      binding_id: judgement.match.binding.id,
      binding_version: judgement.match.binding.version,
    }),
    ...describeAudited(outcomes),
    ...(jti !== undefined && { robot_token_jti: jti }),
    ...(!result.granted && { reason: result.refusal as unknown as JsonObject }),
    token_verified: outcomes !== undefined,
    token_sha256: await sha256(request.token),
    duration_ms: deps.clock.now() - startedAt,
  };
  await recordAudit(db, deps, {
    requestId: request.requestId,
    clientAddress: request.clientAddress,
    kind: "federated_robot_token_exchange",
    organization: request.robot.organization,
    robot: formatRobotName(request.robot),
    outcome: result.granted ? "success" : "refused",
    code: result.granted ? "granted" : result.refusal.code,
    metadata,
  });
}

/** What the bindings in audit mode would have decided. */
function describeAudited(outcomes: Outcomes = []): JsonObject {
  const audited = outcomes.filter(({ binding }) => binding.mode === "audit");
  if (audited.length === 0) return {};
  return { audited_bindings: audited.map(({ binding, matched }) => ({ id: binding.id, matched })) };
}
