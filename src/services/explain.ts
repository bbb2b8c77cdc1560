import type { Deps } from "../deps.ts";
import { claimsInScope } from "../domain/binding.ts";
import { evaluate, type VerifiedClaims } from "../domain/evaluate.ts";
import type { JsonObject } from "../domain/json.ts";
import { formatRobotName, type RobotName } from "../domain/names.ts";
import type { Refusal } from "../domain/refusal.ts";
import { outcomeOf, type Rule, type RuleOutcome, rules } from "../domain/rule.ts";
import { limits } from "../limits.ts";
import { type Claims, parseToken } from "../oidc/token-shape.ts";
import { timeOutcomes } from "../oidc/verify.ts";
import { epochSeconds } from "../platform.ts";
import { type AuditRecord, listAuditRecords } from "../store/audit.ts";
import { type BindingRecord, listBindings } from "../store/bindings.ts";
import { unheard } from "../store/changes.ts";
import { type Issuer, listIssuersById } from "../store/issuers.ts";
import type { RobotOfOrganization } from "../store/robots.ts";
import { findUsedToken } from "../store/used-tokens.ts";
import type { Actor } from "./actor.ts";
import { defaultsOf, distrust, type JudgeDeps, judge } from "./judge.ts";
import { getRobotOfOrganization } from "./manage-robots.ts";
import { notFound } from "./management-error.ts";
import { createRecall } from "./recall.ts";
import { hasReplayProtection, replayRefusal } from "./replay.ts";

type ExplainDeps = JudgeDeps & Pick<Deps, "db">;

/** How a token fares before each of a robot's bindings. */
export interface Explanation {
  /** Absent: a robot token was, or would be, minted. */
  readonly refusal?: Refusal;
  /** Whether the signature was that of an issuer that the robot is bound to. */
  readonly verified: boolean;
  readonly claims?: ExplainedClaims;
  readonly bindings: readonly ExplainedBinding[];
}

export interface PastExplanation extends Explanation {
  readonly record: AuditRecord;
}

type ExplainedClaims = Pick<Claims, "iss" | "sub" | "aud">;

export interface ExplainedBinding {
  readonly binding: BindingRecord;
  readonly rules: readonly ExplainedRule[];
  /** Whether it accepts the token, as far as can be told. */
  readonly matched: boolean;
  /** Whether it is the one that mints. */
  readonly mints: boolean;
}

/** `null` where a rule was not reached, or where what it looks at was not kept. */
export type ExplainedRule = Omit<RuleOutcome, "passed"> & { readonly passed: boolean | null };

/** Judges a token by the code that decides of exchanges; mints nothing, and keeps nothing of it. */
export async function explainToken(
  deps: ExplainDeps,
  actor: Actor,
  name: RobotName,
  compact: string,
): Promise<Explanation> {
  const found = await getRobotOfOrganization(deps, actor, name);
  const parsed = parseToken(compact);
  if (!parsed.ok) return { refusal: parsed.refusal, verified: false, bindings: [] };

  const { claims } = parsed.token;
  const afresh = { ...deps, recall: createRecall({ ...deps, changes: unheard }) };
  const { bindings, trials, verified, match, refusal } = await judge(afresh, name, parsed.token, { thorough: true });
  const issuers = await listIssuersById(deps.db, idsOf(bindings));
  const now = epochSeconds(deps.clock);
  let replayed: Refusal | undefined;

  const explained: ExplainedBinding[] = [];
  for (const binding of bindings) {
    const issuer = issuers.find(({ id }) => id === binding.issuerId) as Issuer;
    const trial = trials.find((one) => one.issuer.id === issuer.id);
    const isMatch = match?.binding.id === binding.id;
    const replay = await checkReplay(deps, found, issuer, claims);
    if (isMatch) replayed = replay?.refusal;
    const outcomes = [
      checkIssuer(deps, issuer, claims.iss),
      ...(trial?.verification.rules ?? []),
      ...evaluateOne(deps, found, issuer, binding, claims, now),
      ...(replay ? [replay] : []),
    ];
    const all = complete(outcomes);
    const matched = all.every(({ passed }) => passed === true);
    explained.push({ binding, rules: all, matched, mints: isMatch && matched });
  }
  const reason = refusal ?? replayed;
  return { verified, claims, bindings: explained, ...(reason && { refusal: reason }) };
}

/**
 * The same for an exchange that happened: its decision is the one that was made, and its rules are those of
 * the bindings as they are now, by the claims that were kept.
 *
 * @throws {ManagementError} when no exchange of this robot has that request id
 */
export async function explainExchange(
  deps: ExplainDeps,
  actor: Actor,
  name: RobotName,
  requestId: string,
): Promise<PastExplanation> {
  const found = await getRobotOfOrganization(deps, actor, name);
  // Before, the organization's name may have been somebody else's.
  const from = found.organization.createdAt;
  const filter = { kind: "federated_robot_token_exchange", robot: formatRobotName(name), requestId, from };
  const [record] = await listAuditRecords(deps.db, filter, 1);
  if (!record) throw notFound(`exchange of ${formatRobotName(name)} with the request_id ${requestId}`);

  const { metadata } = record;
  const refusal = metadata.reason as unknown as Refusal | undefined;
  const verified = metadata.token_verified === true;
  const claims = readKeptClaims(metadata);
  const bindings = claims ? await explainKept(deps, found, record, claims) : [];
  return { record, verified, bindings, ...(claims && { claims }), ...(refusal && { refusal }) };
}

async function explainKept(
  deps: ExplainDeps,
  found: RobotOfOrganization,
  { at, metadata }: AuditRecord,
  claims: Claims,
): Promise<ExplainedBinding[]> {
  const bindings = await listBindings(deps.db, found.robot.id);
  const issuers = await listIssuersById(deps.db, idsOf(bindings));
  const isUnknown = (claim: string) => isLeftOut(metadata, claims, claim);
  const now = Math.floor(at.getTime() / 1000);
  return bindings.map((binding) => {
    const issuer = issuers.find(({ id }) => id === binding.issuerId) as Issuer;
    const maxTokenAge = issuer.maxTokenAge ?? limits.token.maxLifetimeSeconds.default;
    const outcomes = [
      checkIssuer(deps, issuer, claims.iss),
      ...checkSigner(metadata, issuer, claims.iss),
      ...timeOutcomes(claims, maxTokenAge, now),
      ...evaluateOne(deps, found, issuer, binding, claims, now),
    ];
    const scopeNeedsMore = claimsInScope(binding.scope ?? "").some(isUnknown);
    const known = complete(outcomes).map((one) => {
      const needsMore = one.rule === "scope" ? scopeNeedsMore : one.claim !== undefined && isUnknown(one.claim);
      return needsMore ? withoutClaim(one) : one;
    });
    const matched = metadata.token_verified === true && known.every(({ passed }) => passed !== false);
    const replay = matched ? checkPastReplay(metadata) : [];
    return {
      binding,
      rules: [...known, ...replay],
      matched: matched && replay.length === 0,
      mints: metadata.binding_id === binding.id,
    };
  });
}

/** Whether the token had a claim that was not kept, or may have had. */
function isLeftOut(metadata: JsonObject, { payload }: Claims, claim: string): boolean {
  if (Object.hasOwn(payload, claim)) return false;
  const named = metadata.claims_left_out as readonly string[];
  return named.includes(claim) || metadata.claims_left_out_unnamed !== 0;
}

function readKeptClaims({ claims, issuer, subject, audience }: JsonObject): Claims | undefined {
  if (claims === undefined) return undefined;
  const payload = claims as JsonObject;
  const { exp, iat, nbf, jti } = payload as { exp: number; iat: number; nbf?: number; jti?: string };
  return {
    iss: issuer as string,
    sub: subject as string,
    aud: audience as readonly string[],
    exp,
    iat,
    ...(nbf !== undefined && { nbf }),
    ...(jti !== undefined && { jti }),
    payload,
  };
}

function idsOf(bindings: readonly BindingRecord[]): string[] {
  return [...new Set(bindings.map(({ issuerId }) => issuerId))];
}

function checkIssuer(deps: Pick<Deps, "config">, issuer: Issuer, iss: string): RuleOutcome {
  const why = distrust(deps, issuer);
  const refusal: Refusal | undefined =
    issuer.issuer !== iss
      ? { code: "issuer_unbound", issuer: iss }
      : why && { code: "issuer_disabled", issuer: iss, why };
  return outcomeOf("issuer", { expected: issuer.issuer, found: iss }, refusal);
}

/** A use before, which the record tells of. */
function checkPastReplay({ reason, jti = null }: JsonObject): RuleOutcome[] {
  const refusal = reason as unknown as Refusal | undefined;
  return refusal?.code === "replayed" ? [outcomeOf("replay", { expected: NEW_JTI, found: jti }, refusal)] : [];
}

const NEW_JTI = "a jti that is new";

/** Whose signature it was, where the record says so: clusters may share a string, and no key. */
function checkSigner({ token_verified, signed_by }: JsonObject, { id, issuer }: Issuer, iss: string): RuleOutcome[] {
  if (issuer !== iss || token_verified !== true) return [];
  const expected = "a key of this issuer";
  if (!(signed_by as readonly string[]).includes(id)) {
    return [outcomeOf("signature", { expected, found: "another issuer's" }, { code: "signature_invalid" })];
  }
  const proved: readonly Rule[] = ["algorithm", "key", "signature"];
  return proved.map((rule) => outcomeOf(rule, { expected, found: "proved, by the record" }, undefined));
}

function evaluateOne(
  deps: Pick<Deps, "config" | "compile">,
  { organization }: RobotOfOrganization,
  issuer: Issuer,
  binding: BindingRecord,
  claims: VerifiedClaims,
  now: number,
): readonly RuleOutcome[] {
  const { outcomes } = evaluate([deps.compile(binding)], claims, defaultsOf(deps, organization, issuer), now);
  return outcomes.flatMap((outcome) => outcome.rules);
}

/** Whether the token was used for this robot before, where that matters. */
async function checkReplay(
  { db }: Pick<Deps, "db">,
  { robot }: RobotOfOrganization,
  issuer: Issuer,
  { iss, jti }: Claims,
): Promise<RuleOutcome | undefined> {
  if (issuer.issuer !== iss || !hasReplayProtection(issuer)) return undefined;
  const earlier =
    jti === undefined ? undefined : await findUsedToken(db, { issuerId: issuer.id, jti, robotId: robot.id });
  return outcomeOf("replay", { expected: NEW_JTI, found: jti ?? null }, replayRefusal(jti, earlier));
}

/** In the order of the rules, those that were not reached among them. */
function complete(outcomes: readonly RuleOutcome[]): ExplainedRule[] {
  return rules.flatMap((rule): ExplainedRule[] => {
    const reached = outcomes.filter((one) => one.rule === rule);
    return reached.length > 0 || rule === "claim" || rule === "replay" ? reached : [unreached(rule)];
  });
}

function withoutClaim({ rule, claim, expected }: ExplainedRule): ExplainedRule {
  return { rule, passed: null, expected, found: "not kept with the record", ...(claim !== undefined && { claim }) };
}

function unreached(rule: Rule): ExplainedRule {
  return { rule, passed: null, expected: null, found: null };
}
