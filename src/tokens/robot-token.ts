import { formatRobotName, parseRobotName, type RobotName } from "../domain/names.ts";
import { limits } from "../limits.ts";
import { encodeHeader, readCompact, readObject, type Verify } from "./compact.ts";
import { type SigningKey, signatureAlgorithm } from "./signing-key.ts";

const ROBOT_TYPE = "berth-robot+jwt";
const REFRESH_TYPE = "berth-refresh+jwt";

/** What a robot token says: which robot, and by which version of which binding. Times are epoch seconds. */
export interface RobotToken {
  readonly robot: RobotName;
  readonly bindingId: string;
  readonly bindingVersion: number;
  /** Of the robot: its tokens from before it was disabled have an earlier one. */
  readonly epoch: number;
  /** Narrows what the robot holds; absent: it holds all its grants. */
  readonly scope?: string;
  /** Whether it opens the management API too, with the robot's role. */
  readonly api?: true;
  readonly jti: string;
  readonly exp: number;
}

export interface RobotTokenParties {
  /** The issuer, `PUBLIC_URL`; the audience is its token endpoint. */
  readonly publicUrl: string;
}

export async function mintRobotToken(
  token: RobotToken & { readonly iat: number },
  parties: RobotTokenParties,
  key: SigningKey,
): Promise<string> {
  return sign(token, { typ: ROBOT_TYPE }, parties, key);
}

/**
 * Stands for a robot token at one registry's token endpoint, and ends with it: its `jti` and `exp` are the
 * robot token's own.
 */
export async function mintRefreshToken(
  token: RobotToken & { readonly iat: number },
  service: string,
  parties: RobotTokenParties,
  key: SigningKey,
): Promise<string> {
  return sign(token, { typ: REFRESH_TYPE, service }, parties, key);
}

async function sign(
  token: RobotToken & { readonly iat: number },
  { typ, service }: { readonly typ: string; readonly service?: string },
  { publicUrl }: RobotTokenParties,
  key: SigningKey,
): Promise<string> {
  const claims = {
    iss: publicUrl,
    sub: formatRobotName(token.robot),
    aud: robotTokenAudience(publicUrl),
    iat: token.iat,
    // Other instances may be a little behind.
    nbf: token.iat - limits.token.leewaySeconds,
    exp: token.exp,
    jti: token.jti,
    binding: { id: token.bindingId, version: token.bindingVersion },
    epoch: token.epoch,
    ...(token.scope !== undefined && { scope: token.scope }),
    ...(token.api && { api: true }),
    ...(service !== undefined && { service }),
  };
  return key.sign(encodeHeader({ alg: signatureAlgorithm, typ, kid: key.kid }), JSON.stringify(claims));
}

/** What its header and its times tell besides. */
export interface VerifiedRobotToken extends RobotToken {
  readonly kid: string;
  readonly nbf: number;
}

export type RobotTokenResult =
  | { readonly ok: true; readonly token: VerifiedRobotToken }
  | { readonly ok: false; readonly reason: "invalid" }
  | { readonly ok: false; readonly reason: "expired"; readonly exp: number };

/** The key that has a name. */
export type FindKey = (kid: string) => Promise<{ readonly verify: Verify } | undefined>;

/**
 * Checks that a token is a robot token of this service and good at `now` (epoch seconds). Whether its
 * robot and binding still stand is for the caller to look up.
 */
export async function verifyRobotToken(
  compact: string,
  parties: RobotTokenParties,
  findKey: FindKey,
  now: number,
): Promise<RobotTokenResult> {
  return verify(compact, ROBOT_TYPE, (named) => named === undefined, parties, findKey, now);
}

/**
 * The same for a refresh token: what it tells is of the robot token behind it.
 *
 * @param service of the registry that it must be for; `undefined` for any
 */
export async function verifyRefreshToken(
  compact: string,
  service: string | undefined,
  parties: RobotTokenParties,
  findKey: FindKey,
  now: number,
): Promise<RobotTokenResult> {
  const isFor = (named: string | undefined) => named !== undefined && (service ?? named) === named;
  return verify(compact, REFRESH_TYPE, isFor, parties, findKey, now);
}

async function verify(
  compact: string,
  typ: string,
  isFor: (service: string | undefined) => boolean,
  { publicUrl }: RobotTokenParties,
  findKey: FindKey,
  now: number,
): Promise<RobotTokenResult> {
  const read = readCompact(compact);
  const kid = read && nameOfKey(read.header, typ);
  const key = kid === undefined ? undefined : await findKey(kid);
  if (!read || kid === undefined || !key) return invalid;
  if (!(await key.verify(read.signingInput, read.signature))) return invalid;

  const claims = readObject(read.encodedPayload);
  if (!claims || !isComplete(claims)) return invalid;
  const robot = parseRobotName(claims.sub);
  // Versions before this one had no epoch.
  const { binding, epoch = 0, scope, api, service, jti, exp, nbf = 0 } = claims;
  const isOwn = claims.iss === publicUrl && claims.aud === robotTokenAudience(publicUrl);
  if (!robot || !isOwn || !isFor(service) || nbf > now) return invalid;
  if (exp <= now) return { ok: false, reason: "expired", exp };
  return {
    ok: true,
    token: {
      robot,
      bindingId: binding.id,
      bindingVersion: binding.version,
      epoch,
      ...(scope !== undefined && { scope }),
      ...(api === true && { api }),
      jti,
      exp,
      nbf,
      kid,
    },
  };
}

const invalid: RobotTokenResult = { ok: false, reason: "invalid" };

/** Of the key that is to verify it; `undefined` where it is no token of that kind, whoever signed it. */
function nameOfKey({ alg, typ, kid, crit }: Readonly<Record<string, unknown>>, wanted: string): string | undefined {
  const isOfKind = alg === signatureAlgorithm && typ === wanted && crit === undefined;
  return isOfKind && typeof kid === "string" ? kid : undefined;
}

interface Claims {
  readonly iss?: unknown;
  readonly aud?: unknown;
  readonly sub: string;
  readonly binding: { readonly id: string; readonly version: number };
  readonly epoch?: number;
  readonly scope?: string;
  readonly api?: unknown;
  readonly service?: string;
  readonly jti: string;
  readonly exp: number;
  readonly nbf?: number;
}

/** What signed it here left nothing out, and gave everything its type: what else it may ever have signed is none. */
function isComplete(claims: Readonly<Record<string, unknown>>): claims is Readonly<Record<string, unknown>> & Claims {
  const { sub, binding, epoch = 0, scope = "", service = "", jti, exp, nbf = 0 } = claims;
  const { id, version } = (binding ?? {}) as Record<string, unknown>;
  const isOfType = (type: "string" | "number", ...values: unknown[]) => values.every((value) => typeof value === type);
  return isOfType("string", sub, id, scope, service, jti) && isOfType("number", version, epoch, exp, nbf);
}

export function robotTokenAudience(publicUrl: string): string {
  return `${publicUrl}/v2/auth`;
}
