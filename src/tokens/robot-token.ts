import { errors, jwtVerify, SignJWT } from "jose";
import { formatRobotName, parseRobotName, type RobotName } from "../domain/names.ts";
import { isCanonicalBase64url } from "../domain/text.ts";
import { limits } from "../limits.ts";
import { type SigningKey, signatureAlgorithm } from "./signing-key.ts";

const TYPE = "berth-robot+jwt";

/** What a robot token says: which robot, and by which version of which binding. Times are epoch seconds. */
export interface RobotToken {
  readonly robot: RobotName;
  readonly bindingId: string;
  readonly bindingVersion: number;
  /** Narrows what the robot holds; absent: it holds all its grants. */
  readonly scope?: string;
  readonly jti: string;
  readonly exp: number;
}

export interface RobotTokenParties {
  /** The issuer, `PUBLIC_URL`; the audience is its token endpoint. */
  readonly publicUrl: string;
}

export async function mintRobotToken(
  token: RobotToken & { readonly iat: number },
  { publicUrl }: RobotTokenParties,
  key: SigningKey,
): Promise<string> {
  return (
    new SignJWT({
      binding: { id: token.bindingId, version: token.bindingVersion },
      ...(token.scope !== undefined && { scope: token.scope }),
    })
      .setProtectedHeader({ alg: signatureAlgorithm, typ: TYPE, kid: key.kid })
      .setIssuer(publicUrl)
      .setSubject(formatRobotName(token.robot))
      .setAudience(robotTokenAudience(publicUrl))
      .setIssuedAt(token.iat)
      // Other instances may be a little behind.
      .setNotBefore(token.iat - limits.token.leewaySeconds)
      .setExpirationTime(token.exp)
      .setJti(token.jti)
      .sign(key.privateKey)
  );
}

export type RobotTokenResult =
  | { readonly ok: true; readonly token: RobotToken }
  | { readonly ok: false; readonly reason: "invalid" }
  | { readonly ok: false; readonly reason: "expired"; readonly exp: number };

/**
 * Checks that a token is a robot token of this service and good at `now` (epoch seconds). Whether its
 * robot and binding still stand is for the caller to look up.
 */
export async function verifyRobotToken(
  compact: string,
  { publicUrl }: RobotTokenParties,
  keys: readonly { readonly kid: string; readonly publicKey: CryptoKey }[],
  now: number,
): Promise<RobotTokenResult> {
  try {
    // No token goes by two names.
    if (!compact.split(".").every(isCanonicalBase64url)) return { ok: false, reason: "invalid" };
    const { payload } = await jwtVerify<Payload>(compact, ({ kid }) => keyOf(keys, kid), {
      algorithms: [signatureAlgorithm],
      typ: TYPE,
      issuer: publicUrl,
      audience: robotTokenAudience(publicUrl),
      currentDate: new Date(now * 1000),
      requiredClaims: ["sub", "exp", "jti", "binding"],
    });
    const robot = parseRobotName(payload.sub ?? "");
    const { binding, scope, jti, exp } = payload;
    if (!robot) return { ok: false, reason: "invalid" };
    return {
      ok: true,
      token: {
        robot,
        bindingId: binding.id,
        bindingVersion: binding.version,
        ...(scope !== undefined && { scope }),
        jti,
        exp,
      },
    };
  } catch (error) {
    if (error instanceof errors.JWTExpired) return { ok: false, reason: "expired", exp: error.payload.exp ?? now };
    if (error instanceof errors.JOSEError) return { ok: false, reason: "invalid" };
    throw error;
  }
}

interface Payload {
  readonly binding: { readonly id: string; readonly version: number };
  readonly scope?: string;
  readonly jti: string;
  readonly exp: number;
}

function keyOf(keys: readonly { kid: string; publicKey: CryptoKey }[], kid: string | undefined): CryptoKey {
  const key = keys.find((one) => one.kid === kid);
  if (!key) throw new errors.JWKSNoMatchingKey();
  return key.publicKey;
}

export function robotTokenAudience(publicUrl: string): string {
  return `${publicUrl}/v2/auth`;
}
