import { limits } from "../limits.ts";
import { audiencesProblem, type Problem } from "./binding.ts";
import { type IssuerRules, issuerProblem } from "./issuer.ts";
import { presets } from "./preset-data.ts";

/** A key as it may be uploaded (RFC 7517 §4). */
export type UploadedKey = Readonly<Record<string, unknown>>;

/** How an issuer is trusted: what a superuser settles when registering it. */
export interface IssuerSettings {
  readonly name: string | null;
  /** Id of a preset; `null`: the one of its URL. */
  readonly preset: string | null;
  /** Its keys, for an issuer that cannot be reached. */
  readonly jwks: { readonly keys: readonly UploadedKey[] } | null;
  /** Where its keys are, for one whose discovery document cannot be reached or says otherwise. */
  readonly jwksUri: string | null;
  /** PEM: the certificate authorities of its own network. */
  readonly caPem: string | null;
  /** `null`: RS256 and ES256. */
  readonly algorithms: readonly string[] | null;
  readonly allowPrivateNetwork: boolean;
  /** Seconds from `iat` to `exp`; `null`: a day. */
  readonly maxTokenAge: number | null;
  /** `null`: as its preset has it. */
  readonly replayProtection: boolean | null;
  readonly audiences: readonly string[] | null;
  readonly clients: readonly string[] | null;
  readonly disabled: boolean;
}

/** Of an issuer that nothing is settled for. */
export const unsetIssuer: IssuerSettings = {
  name: null,
  preset: null,
  jwks: null,
  jwksUri: null,
  caPem: null,
  algorithms: null,
  allowPrivateNetwork: false,
  maxTokenAge: null,
  replayProtection: null,
  audiences: null,
  clients: null,
  disabled: false,
};

/** Every problem of an issuer and its settings, told at once. */
export function settingsProblems(issuer: string, settings: IssuerSettings, rules: IssuerRules): Problem[] {
  const problems: Problem[] = [];
  const check = (path: Problem["path"], message: string | undefined) => {
    if (message) problems.push({ path, message });
  };
  const { jwks, jwksUri, caPem, preset } = settings;
  check(["issuer"], issuerProblem(issuer, rules));
  if (preset !== null && !presets.some(({ id }) => id === preset)) {
    check(["preset"], `must be one of ${presets.map(({ id }) => id).join(", ")}`);
  }
  check(["jwks_uri"], jwksUri === null ? undefined : uriProblem(jwksUri, rules));
  if (jwks && jwksUri !== null) check(["jwks_uri"], "has no use beside jwks: uploaded keys are never fetched");
  check(["ca_pem"], caPem === null ? undefined : caProblem(caPem));
  check(["audiences"], audiencesProblem(settings));
  problems.push(...keyProblems(jwks?.keys ?? []));
  return problems;
}

function uriProblem(uri: string, { publicUrl, allowInsecure }: IssuerRules): string | undefined {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  const secure = url?.protocol === "https:" || (url?.protocol === "http:" && allowInsecure);
  if (!url || !secure || url.username || url.password || url.hash) {
    return "must be an https URL with no user and no fragment";
  }
  return url.origin === new URL(publicUrl).origin ? "must not be at this service itself" : undefined;
}

const CERTIFICATES = /^(?:\s*-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----)+\s*$/;

function caProblem(pem: string): string | undefined {
  if (/PRIVATE KEY/.test(pem)) return "holds a private key: send certificates alone, and replace that key";
  return CERTIFICATES.test(pem) ? undefined : "must be certificates in PEM";
}

const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "k"];

function keyProblems(keys: readonly UploadedKey[]): Problem[] {
  const seen = new Set<unknown>();
  return keys.flatMap((key, index): Problem[] => {
    const message = keyProblem(key, seen.has(key.kid));
    seen.add(key.kid);
    return message === undefined ? [] : [{ path: ["jwks", "keys", index], message }];
  });
}

function keyProblem(key: UploadedKey, repeated: boolean): string | undefined {
  if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(key, name))) {
    return "is a private or symmetric key: upload the public half alone, and replace a key that was sent";
  }
  if (typeof key.kid !== "string" || key.kid === "" || key.kid.length > limits.token.kid) {
    return `must have a kid of 1 to ${limits.token.kid} characters`;
  }
  return repeated ? "has the kid of another key" : undefined;
}
