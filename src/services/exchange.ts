import type { Deps } from "../deps.ts";
import type { JsonObject } from "../domain/json.ts";
import { type ClaimsRoom, firstWithin, keepClaims } from "../domain/kept-claims.ts";
import { formatRobotName, type RobotName } from "../domain/names.ts";
import { presetOf } from "../domain/presets.ts";
import type { Refusal } from "../domain/refusal.ts";
import { formatNarrowing, type Grant, intersectGrants, parseNarrowing } from "../domain/scope.ts";
import type { Secret } from "../domain/secret.ts";
import { printable } from "../domain/text.ts";
import { noteExchange } from "../domain/uses.ts";
import { limits } from "../limits.ts";
import { type Claims, parseToken } from "../oidc/token-shape.ts";
import { epochSeconds } from "../platform.ts";
import type { TokenUse } from "../store/granted-exchanges.ts";
import { findUsedToken } from "../store/used-tokens.ts";
import { mintRobotToken } from "../tokens/robot-token.ts";
import { type AuditEvent, type RequestOrigin, recordAudit, toRecord } from "./audit.ts";
import { recordUnproved } from "./audit-refusals.ts";
import { countGranted, countRefusal, limitAddress, limitVerified } from "./exchange-limits.ts";
import { isSigned, isVerified, type Judgement, judge, type Match } from "./judge.ts";
import { hasReplayProtection, replayRefusal } from "./replay.ts";

export interface ExchangeRequest extends RequestOrigin {
  readonly robot: RobotName;
  /** The external token, as it came. */
  readonly token: Secret;
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

type ExchangeDeps = Pick<
  Deps,
  | "config"
  | "db"
  | "recall"
  | "grantExchange"
  | "clock"
  | "random"
  | "issuerKeys"
  | "keys"
  | "compile"
  | "limiter"
  | "refusalTally"
  | "uses"
  | "sha256"
>;

/** What was found out about a token on its way, granted or not. */
interface Passage {
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly claims?: Claims;
  readonly judgement?: Judgement;
}

/** Trades an external OIDC token for a robot token, and leaves one audit record either way. */
export async function exchange(deps: ExchangeDeps, request: ExchangeRequest): Promise<ExchangeResult> {
  const startedAt = deps.clock.now();
  const limited = await limitAddress(deps, request.clientAddress);
  if (limited) return refuse(deps, request, { startedAt }, limited);

  const requested = readRequestedScope(request.scope);
  if (!requested.ok) return refuse(deps, request, { startedAt }, requested.refusal);
  const parsed = parseToken(request.token.reveal());
  if (!parsed.ok) return refuse(deps, request, { startedAt }, parsed.refusal);

  for (let attempt = 1; ; attempt += 1) {
    const { token } = parsed;
    const judgement = await judge(deps, request.robot, token);
    const passage = { startedAt, claims: token.claims, judgement };
    const { match } = judgement;
    if (!match) return refuse(deps, request, passage, judgement.refusal as Refusal);

    const counted = { ...match, issuerId: match.issuer.id };
    const busy = await limitVerified(deps, counted);
    if (busy) return refuse(deps, request, passage, busy);
    const result = await mint(deps, request, passage, match, requested.grants);
    if (result.granted) {
      await countGranted(deps, counted);
      return result;
    }
    if (result.refusal !== CHANGED || attempt === ATTEMPTS) return refuse(deps, request, passage, result.refusal);
    // What was judged by was changed meanwhile: what holds now decides.
    forgetJudged(deps, match);
  }
}

function forgetJudged({ recall }: ExchangeDeps, { robotId, issuer }: Match): void {
  recall.forget({ of: "robot", id: robotId });
  recall.forget({ of: "issuer", id: issuer.id });
}

const ATTEMPTS = 3;
const CHANGED: Refusal = { code: "trust_changed", retryAfter: 1 };

/** Refuses a credential that no token could be read from. */
export async function refuseCredential(
  deps: ExchangeDeps,
  origin: RequestOrigin,
  refusal: Extract<Refusal, { code: "credential_missing" | "credential_unreadable" }>,
): Promise<Refusal> {
  const limited = await limitAddress(deps, origin.clientAddress);
  const { code, ...facts } = limited ?? refusal;
  await recordUnproved(deps, {
    ...origin,
    kind: "federated_robot_token_exchange",
    outcome: "refused",
    code,
    metadata: { reason: { code, ...facts }, token_verified: false },
  });
  if (!limited) await countRefusal(deps, origin.clientAddress);
  return limited ?? refusal;
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

async function mint(
  deps: ExchangeDeps,
  request: ExchangeRequest,
  passage: Passage & { readonly claims: Claims },
  match: Match,
  requested: readonly Grant[] | undefined,
): Promise<ExchangeResult> {
  const { binding, outcome } = match;
  const iat = epochSeconds(deps.clock);
  const ttl = Math.min(binding.tokenTtl ?? deps.config.robotTokenTtl, deps.config.robotTokenTtl);
  const exp = Math.min(iat + ttl, binding.expiresAt ?? Number.POSITIVE_INFINITY);
  const jti = deps.random.uuid();
  const narrowed = narrow(outcome.narrowed?.grants, requested);
  const scope = narrowed && formatNarrowing(narrowed);
  const narrowing = scope === undefined ? {} : { scope };
  const { signing } = await deps.keys.robotToken();
  const key = await signing();
  const minted = {
    robot: request.robot,
    bindingId: binding.id,
    bindingVersion: binding.version,
    epoch: match.robotEpoch,
    jti,
    iat,
    exp,
    // Whoever asks for less asks for a token to pull or push with.
    ...(binding.api && !requested && { api: true as const }),
  };
  const token = await mintRobotToken({ ...minted, ...narrowing }, deps.config, key);

  const at = new Date(deps.clock.now());
  const metadata = { binding_id: binding.id, binding_version: binding.version, robot_token_jti: jti };
  const event = await eventOf(deps, request, passage, "granted", metadata);
  const used = readUse(passage.claims, match);
  if (used && "code" in used) return { granted: false, refusal: used };
  const judgedBy = {
    bindingId: binding.id,
    bindingVersion: binding.version,
    epoch: match.robotEpoch,
    issuerRevision: match.issuer.revision,
  };
  if (!(await deps.grantExchange({ record: toRecord(deps, event), judgedBy, used }))) {
    const earlier = used && replayRefusal(used.jti, await findUsedToken(deps.db, used));
    return { granted: false, refusal: earlier ?? CHANGED };
  }
  noteExchange(deps.uses, { robotId: match.robotId, bindingId: binding.id, at });
  const exchange = { token, robot: request.robot, issuedAt: iat, expiresIn: exp - iat, ...narrowing };
  return { granted: true, exchange };
}

function narrow(one: readonly Grant[] | undefined, other: readonly Grant[] | undefined): readonly Grant[] | undefined {
  return one && other ? intersectGrants(one, other) : (one ?? other);
}

/** What uses the token up, once for each robot, where its issuer is so protected. */
function readUse({ jti, exp }: Claims, { issuer, robotId }: Match): TokenUse | Refusal | undefined {
  if (!hasReplayProtection(issuer)) return undefined;
  if (jti === undefined) return replayRefusal(undefined, undefined);
  const expiresAt = new Date((exp + limits.token.leewaySeconds + limits.token.usedMarginSeconds) * 1000);
  return { issuerId: issuer.id, robotId, jti, expiresAt };
}

async function refuse(
  deps: ExchangeDeps,
  request: ExchangeRequest,
  passage: Passage,
  refusal: Refusal,
): Promise<ExchangeResult> {
  const { code } = refusal;
  const event = await eventOf(deps, request, passage, code, { reason: refusal as unknown as JsonObject });
  await (passage.judgement?.trials.some(isVerified) ? recordAudit(deps.db, deps, event) : recordUnproved(deps, event));
  if (code !== "rate_limited" && !isOutage(refusal)) await countRefusal(deps, request.clientAddress);
  return { granted: false, refusal };
}

function isOutage({ code }: Refusal): boolean {
  return code === "issuer_unreachable" || code === "issuer_keys_invalid" || code === "trust_changed";
}

async function eventOf(
  deps: ExchangeDeps,
  { requestId, clientAddress, robot, token }: ExchangeRequest,
  { startedAt, claims, judgement }: Passage,
  code: string,
  metadata: JsonObject,
): Promise<AuditEvent & { readonly code: string }> {
  const room = judgement?.trials.some(isVerified) ? limits.audit.proved : limits.audit.unproved;
  return {
    requestId,
    clientAddress,
    kind: "federated_robot_token_exchange",
    organization: robot.organization,
    robot: formatRobotName(robot),
    outcome: code === "granted" ? "success" : "refused",
    code,
    metadata: {
      ...(claims && { issuer: claims.iss, subject: claims.sub, audience: firstWithin(claims.aud, room.names) }),
      ...(claims?.jti !== undefined && { jti: claims.jti }),
      ...metadata,
      ...describeAudited(judgement),
      ...(claims && judgement && describeClaims(claims, judgement, room)),
      token_verified: judgement?.verified ?? false,
      signed_by: judgement?.trials.filter(isSigned).map(({ issuer }) => issuer.id) ?? [],
      token_sha256: await deps.sha256(token.reveal()),
      duration_ms: deps.clock.now() - startedAt,
    },
  };
}

/** What the bindings in audit mode would have decided of a verified token. */
function describeAudited(judgement: Judgement | undefined): JsonObject {
  const outcomes = judgement?.trials.filter(isVerified).flatMap(({ decision }) => decision.outcomes);
  const audited = outcomes?.filter(({ binding }) => binding.mode === "audit") ?? [];
  return audited.length === 0
    ? {}
    : { audited_bindings: audited.map(({ binding, matched }) => ({ id: binding.id, matched })) };
}

/** What a later explanation needs. */
function describeClaims({ iss, payload }: Claims, { bindings, trials }: Judgement, room: ClaimsRoom): JsonObject {
  const presets = [presetOf(iss), ...trials.map(({ preset }) => preset)];
  const { claims, leftOut, unnamed } = keepClaims(payload, bindings, presets, room);
  return { claims, claims_left_out: leftOut, claims_left_out_unnamed: unnamed };
}
