import { limits } from "../limits.ts";
import type { Problem } from "./binding.ts";
import { isPlainText } from "./text.ts";

/** How a registry's tokens are made, and who else answers for it. */
export interface RegistrySettings {
  /** A host with or without a port, where clients reach it; `null`: its `service`. */
  readonly host: string | null;
  readonly keyProfile: "x5c" | "kid";
  /** Days that a signing key is active; `null`: as the profile has it; 0: until it is rotated by hand. */
  readonly rotationDays: number | null;
  /** Seconds; `null`: as the service has it. */
  readonly tokenTtl: number | null;
  /** `null`: `PUBLIC_URL`. */
  readonly issuer: string | null;
  /** URL of the token server that still answers for people. */
  readonly fallbackRealm: string | null;
  readonly refreshTokens: boolean;
}

export const serviceRule = "1 to 255 ASCII characters, no space, quote or backslash, and be more than . or ..";

export const servicePattern = "^(?![.]{1,2}$)[!#-[\\]-~]{1,255}$";
const SERVICE = new RegExp(servicePattern);

/** Whether `text` can be a registry's `service`: it stands in headers, configuration files and paths of URLs. */
export function isService(text: string): boolean {
  return SERVICE.test(text);
}

const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;

/** Of a registry that nothing is settled for. */
export const unsetRegistry: RegistrySettings = {
  host: null,
  keyProfile: "x5c",
  rotationDays: null,
  tokenTtl: null,
  issuer: null,
  fallbackRealm: null,
  refreshTokens: false,
};

/** @param publicUrl of this service, which a fallback realm must not lead back to */
export function registryProblems(
  { host, keyProfile, rotationDays, issuer, fallbackRealm }: RegistrySettings,
  { publicUrl, allowHttp }: { readonly publicUrl: string; readonly allowHttp: boolean },
): Problem[] {
  const problems: Problem[] = [];
  if (host !== null && !(HOST.test(host) && URL.canParse(`http://${host}`))) {
    problems.push({ path: ["host"], message: "must be a host with or without a port, such as registry.example.com" });
  }
  if (issuer !== null && (!isPlainText(issuer) || issuer.length > limits.issuer)) {
    problems.push({ path: ["issuer"], message: `must be printable text of at most ${limits.issuer} characters` });
  }
  if (rotationDays === 0 && keyProfile === "x5c") {
    problems.push({ path: ["rotation_days"], message: "must be 1 at least with x5c, whose certificates end" });
  }
  const realmProblem = fallbackRealm === null ? undefined : fallbackProblem(fallbackRealm, publicUrl, allowHttp);
  if (realmProblem) problems.push({ path: ["fallback_realm"], message: realmProblem });
  return problems;
}

function fallbackProblem(realm: string, publicUrl: string, allowHttp: boolean): string | undefined {
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) return "must be the https URL of a token endpoint";
  if (url.username || url.password || url.hash) return "must hold no user, password or fragment";
  if (url.origin === new URL(publicUrl).origin) return "must lead to another token server than this one";
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol === "http:" && !loopback && !allowHttp) {
    return "must be https: people's passwords go there";
  }
  return undefined;
}
