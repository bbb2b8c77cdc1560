import { errors, jwtVerify } from "jose";
import type { ResourceActions } from "../domain/scope.ts";
import { limits } from "../limits.ts";
import { encodeHeader } from "./compact.ts";
import type { KeyHint, RegistrySigningKey } from "./key-ring.ts";
import { signatureAlgorithm } from "./signing-key.ts";

/** A token that a registry checks by itself. Times are epoch seconds. */
export interface RegistryToken {
  readonly issuer: string;
  /** The registry's `service`: one string, since Distribution 2.8 refuses a list. */
  readonly service: string;
  /** Who asked, `org+robot`; empty for nobody. */
  readonly subject: string;
  readonly access: readonly ResourceActions[];
  readonly jti: string;
  readonly issuedAt: number;
  readonly ttl: number;
}

/** @see https://distribution.github.io/distribution/spec/auth/jwt/ */
export async function mintRegistryToken(token: RegistryToken, { sign, hint }: RegistrySigningKey): Promise<string> {
  const validFrom = token.issuedAt - limits.registryToken.backdateSeconds;
  const claims = {
    iss: token.issuer,
    sub: token.subject,
    aud: token.service,
    iat: validFrom,
    nbf: validFrom,
    exp: token.issuedAt + token.ttl,
    jti: token.jti,
    access: token.access.map(({ type, name, actions }) => ({ type, name, actions })),
  };
  return sign(headerOf(hint), JSON.stringify(claims));
}

const headers = new WeakMap<KeyHint, string>();

/** Encoded once for each key: certificates make it longer than all claims. */
function headerOf(hint: KeyHint): string {
  const header = headers.get(hint) ?? encodeHeader({ alg: signatureAlgorithm, typ: "JWT", ...hint });
  headers.set(hint, header);
  return header;
}

/** Whether `compact` is a good registry token of `service`, signed with one of `keys`. */
export async function isRegistryToken(
  compact: string,
  { issuer, service }: { readonly issuer: string; readonly service: string },
  keys: readonly CryptoKey[],
  now: number,
): Promise<boolean> {
  for (const key of keys) {
    try {
      await jwtVerify(compact, key, {
        algorithms: [signatureAlgorithm],
        typ: "JWT",
        issuer,
        audience: service,
        currentDate: new Date(now * 1000),
        requiredClaims: ["exp", "access"],
      });
      return true;
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
    }
  }
  return false;
}
