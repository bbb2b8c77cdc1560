import type { Deps } from "../deps.ts";
import { type BindingOutcome, type Decision, type Defaults, evaluate } from "../domain/evaluate.ts";
import { issuerProblem } from "../domain/issuer.ts";
import type { RobotName } from "../domain/names.ts";
import type { Preset } from "../domain/preset.ts";
import { presetOf } from "../domain/presets.ts";
import type { Refusal } from "../domain/refusal.ts";
import { furthestRefusal } from "../domain/rule.ts";
import { limits } from "../limits.ts";
import type { IssuerKey } from "../oidc/issuer-key.ts";
import type { ParsedToken } from "../oidc/token-shape.ts";
import { defaultAlgorithms, type Trust, type Verification, verifyToken } from "../oidc/verify.ts";
import { epochSeconds } from "../platform.ts";
import type { BindingRecord } from "../store/bindings.ts";
import type { Issuer } from "../store/issuers.ts";
import type { RobotFacts } from "./recall-memory.ts";

export type JudgeDeps = Pick<Deps, "config" | "recall" | "clock" | "issuerKeys" | "keys" | "compile">;

/** A token before the issuers of one string, each with the bindings to it: they lend each other nothing. */
export interface Trial {
  readonly issuer: Issuer;
  readonly preset: Preset | undefined;
  readonly verification: Verification;
  /** What the bindings say, which counts only of a token that was verified. */
  readonly decision: Decision;
}

export interface Judgement {
  readonly found?: RobotFacts;
  readonly bindings: readonly BindingRecord[];
  readonly trials: readonly Trial[];
  /** Whether the signature was that of an issuer that the robot is bound to. */
  readonly verified: boolean;
  readonly refusal?: Refusal;
  readonly match?: Match;
}

/** The one binding that mints. */
export interface Match {
  readonly organizationId: string;
  readonly robotId: string;
  readonly robotEpoch: number;
  readonly issuer: Issuer;
  readonly binding: BindingRecord;
  readonly outcome: BindingOutcome;
}

/**
 * Judges a readable token by the bindings of a robot. Nothing is fetched for an issuer that the robot is
 * not bound to.
 *
 * @param thorough whether to go on when it is decided, for the sake of what the others would have said
 */
export async function judge(
  deps: JudgeDeps,
  name: RobotName,
  token: ParsedToken,
  { thorough = false } = {},
): Promise<Judgement> {
  const found = await deps.recall.federation(name);
  if (!found) return { bindings: [], trials: [], verified: false, refusal: { code: "robot_unknown" } };
  const { bindings } = found;
  const refuse = (refusal: Refusal): Judgement => ({ found, bindings, trials: [], verified: false, refusal });
  if (found.robot.disabled) return refuse({ code: "robot_disabled" });
  if (bindings.length === 0) return refuse({ code: "robot_unbound", auditOnly: false });

  const { iss } = token.claims;
  const issuers = await findIssuers(deps, bindings, iss);
  if (issuers.length === 0) return refuse({ code: "issuer_unbound", issuer: iss });
  const trusted = issuers.filter((issuer) => distrust(deps, issuer) === undefined);
  const [first] = issuers as [Issuer, ...Issuer[]];
  if (trusted.length === 0) {
    return refuse({ code: "issuer_disabled", issuer: iss, why: distrust(deps, first) ?? "disabled" });
  }

  const trials: Trial[] = [];
  for (const issuer of trusted) {
    const trial = await tryToken(deps, found, issuer, bindings, token);
    trials.push(trial);
    if (!thorough && isVerified(trial) && trial.decision.granted) break;
  }
  return { found, bindings, trials, ...conclude(found, bindings, trials) };
}

/** Why an issuer is not trusted at all, or `undefined`. */
export function distrust(
  { config }: Pick<Deps, "config">,
  { disabled, registered }: Pick<Issuer, "disabled" | "registered">,
): "disabled" | "not_registered" | undefined {
  if (disabled) return "disabled";
  return !registered && config.issuerPolicy === "registered" ? "not_registered" : undefined;
}

/** The issuers of that string that the robot is bound to, in the order of its bindings. */
async function findIssuers(
  { config, recall }: JudgeDeps,
  bindings: readonly BindingRecord[],
  iss: string,
): Promise<readonly Issuer[]> {
  const rules = { publicUrl: config.publicUrl, allowInsecure: config.allowInsecureIssuers };
  if (issuerProblem(iss, rules)) return [];
  const ids = [...new Set(bindings.filter(({ issuer }) => issuer === iss).map(({ issuerId }) => issuerId))];
  const issuers = await recall.issuers(ids);
  return ids.flatMap((id) => issuers.find((issuer) => issuer.id === id) ?? []);
}

async function tryToken(
  deps: JudgeDeps,
  { organization }: RobotFacts,
  issuer: Issuer,
  bindings: readonly BindingRecord[],
  token: ParsedToken,
): Promise<Trial> {
  const now = () => epochSeconds(deps.clock);
  const preset = presetOf(issuer.issuer, issuer.preset);
  const verification = await verifyToken(token, trustOf(deps, issuer, organization.id), now);
  const own = bindings.filter(({ issuerId }) => issuerId === issuer.id);
  const decision = evaluate(own.map(deps.compile), token.claims, defaultsOf(deps, organization, issuer), now());
  return { issuer, preset, verification, decision };
}

function trustOf({ issuerKeys, keys }: JudgeDeps, issuer: Issuer, party: string): Trust {
  return {
    algorithms: issuer.algorithms ?? defaultAlgorithms,
    maxTokenAge: issuer.maxTokenAge ?? limits.token.maxLifetimeSeconds.default,
    findKey: (kid) => issuerKeys.find(issuer, kid, party),
    isOwnKey: (key: IssuerKey) => keys.isOwn(key.jwk),
  };
}

export function defaultsOf(
  { config }: Pick<Deps, "config">,
  organization: RobotFacts["organization"],
  issuer: Issuer,
): Defaults {
  return {
    audiences: organization.audiences ?? issuer.audiences ?? config.audiences,
    clients: organization.clients ?? issuer.clients ?? [],
    preset: presetOf(issuer.issuer, issuer.preset),
  };
}

function conclude(
  { robot }: RobotFacts,
  bindings: readonly BindingRecord[],
  trials: readonly Trial[],
): Pick<Judgement, "verified" | "refusal" | "match"> {
  const passed = trials.filter(isVerified);
  for (const { issuer, decision } of passed) {
    if (!decision.granted) continue;
    const { outcome } = decision;
    const binding = bindings.find(({ id }) => id === outcome.binding.id) as BindingRecord;
    return {
      verified: true,
      match: {
        organizationId: robot.organizationId,
        robotId: robot.id,
        robotEpoch: robot.tokenEpoch,
        issuer,
        binding,
        outcome,
      },
    };
  }
  const [refusal] = passed.flatMap(({ decision }) => (decision.granted ? [] : [decision.refusal]));
  return refusal
    ? { verified: true, refusal }
    : { verified: trials.some(isSigned), refusal: unverifiedRefusal(trials) };
}

/** Whether a token is its issuer's, and good now. */
export function isVerified({ verification }: Trial): boolean {
  return verification.refusal === undefined;
}

/** Whether a token is its issuer's. */
export function isSigned({ verification }: Trial): boolean {
  return verification.rules.some(({ rule, passed }) => rule === "signature" && passed);
}

/** While the keys of one of them cannot be had, nobody can say that the token is none of its own. */
function unverifiedRefusal(trials: readonly Trial[]): Refusal {
  const failures = trials.flatMap(({ verification }) => verification.rules.find(({ passed }) => !passed) ?? []);
  const outage = trials.some(isSigned)
    ? undefined
    : failures.find(({ refusal }) => refusal?.code === "issuer_unreachable" || refusal?.code === "issuer_keys_invalid");
  return outage?.refusal ?? (furthestRefusal(failures) as Refusal);
}
