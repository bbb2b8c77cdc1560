import type { X509Certificate } from "@peculiar/x509";
import type { Problem } from "../domain/binding.ts";
import { limits } from "../limits.ts";
import { type Certificate, certificatesProblem, loadX509, splitPem } from "./certificates.ts";
import { keyAlgorithm } from "./signing-key.ts";

/** A certificate authority that an operator brings along: both in PEM. */
export interface BroughtAuthority {
  /** The issuing certificate first, then those above it, up to the one that registries trust. */
  readonly certificates: string;
  /** PKCS#8, unencrypted, on P-256. */
  readonly privateKey: string;
}

export type BroughtAuthorityResult =
  | { readonly ok: true; readonly pair: CryptoKeyPair; readonly certificate: Certificate }
  | { readonly ok: false; readonly problem: Problem };

/**
 * Checks that an authority can issue leaves which registries accept.
 *
 * @param now epoch seconds
 */
export async function readAuthority(brought: BroughtAuthority, now: number): Promise<BroughtAuthorityResult> {
  const refuse = (member: "certificates" | "private_key", message: string): BroughtAuthorityResult => ({
    ok: false,
    problem: { path: ["authority", member], message },
  });
  const x509 = await loadX509();
  const blocks = splitPem(brought.certificates);
  if (blocks.length === 0 || blocks.length > limits.certificates.chain) {
    return refuse("certificates", `must hold 1 to ${limits.certificates.chain} certificates in PEM`);
  }
  const unreadable = await certificatesProblem(brought.certificates);
  if (unreadable) return refuse("certificates", unreadable);
  const chain = blocks.map((block) => new x509.X509Certificate(block));
  const privateKey = await importPrivateKey(brought.privateKey);
  if (!privateKey) {
    return refuse(
      "private_key",
      "must be a key on the curve P-256, no RSA key and no other curve's, in unencrypted PKCS#8 (openssl pkcs8 -topk8 -nocrypt)",
    );
  }
  const issuing = chain[0] as X509Certificate;
  const publicKey = await issuing.publicKey.export(keyAlgorithm, ["verify"]).catch(() => undefined);
  if (!publicKey || !(await belongTogether(publicKey, privateKey))) {
    return refuse("private_key", "is not the key of the first certificate, which must be the issuing one");
  }
  const problem = (await chainProblem(chain)) ?? authorityProblem(x509, chain, now);
  if (problem) return refuse("certificates", problem);
  // Without what some programs write between certificates.
  const pem = chain.map((certificate) => `${certificate.toString("pem")}\n`).join("");
  if (pem.length > limits.certificates.chainPem) {
    return refuse("certificates", `must have at most ${limits.certificates.chainPem} characters of PEM in all`);
  }
  return {
    ok: true,
    pair: { publicKey, privateKey },
    certificate: {
      pem,
      notAfter: Math.floor(Math.min(...chain.map(({ notAfter }) => notAfter.getTime())) / 1000),
    },
  };
}

async function importPrivateKey(pem: string): Promise<CryptoKey | undefined> {
  const body = /^\s*-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----\s*$/.exec(pem)?.[1];
  if (body === undefined) return undefined;
  try {
    const bytes = Uint8Array.from(atob(body.replace(/\s/g, "")), (character) => character.charCodeAt(0));
    return await crypto.subtle.importKey("pkcs8", bytes, keyAlgorithm, true, ["sign"]);
  } catch {
    return undefined;
  }
}

async function belongTogether(publicKey: CryptoKey, privateKey: CryptoKey): Promise<boolean> {
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  const probe = crypto.getRandomValues(new Uint8Array(32));
  return crypto.subtle.verify(algorithm, publicKey, await crypto.subtle.sign(algorithm, privateKey, probe), probe);
}

async function chainProblem(chain: readonly X509Certificate[]): Promise<string | undefined> {
  for (const [index, certificate] of chain.slice(0, -1).entries()) {
    const above = chain[index + 1] as X509Certificate;
    const signed = await certificate.verify({ publicKey: above.publicKey, signatureOnly: true }).catch(() => false);
    if (!signed || certificate.issuer !== above.subject) {
      return `must be in order, each signed by the one after it: number ${index + 1} is not`;
    }
  }
  return undefined;
}

/** keyUsage, basicConstraints, nameConstraints, certificatePolicies and extKeyUsage (RFC 5280 §4.2.1). */
const UNDERSTOOD = ["2.5.29.15", "2.5.29.19", "2.5.29.30", "2.5.29.32", "2.5.29.37"];

/** Registries look at every certificate up to the one that they trust, and at that too (RFC 5280 §6.1.4). */
function authorityProblem(
  x509: Awaited<ReturnType<typeof loadX509>>,
  chain: readonly X509Certificate[],
  now: number,
): string | undefined {
  const problems = chain.flatMap((certificate, below) => {
    const constraints = certificate.getExtension(x509.BasicConstraintsExtension);
    const usage = certificate.getExtension(x509.KeyUsagesExtension)?.usages;
    const wanted = [
      constraints?.ca !== true && "be an authority's (basicConstraints CA:TRUE)",
      (constraints?.pathLength ?? below) < below && "allow the authorities below it (basicConstraints pathlen)",
      usage !== undefined && !(usage & x509.KeyUsageFlags.keyCertSign) && "have keyCertSign among its key usages",
      certificate.extensions.some(({ critical, type }) => critical && !UNDERSTOOD.includes(type)) &&
        "have no critical extension but those of RFC 5280 for authorities",
      certificate.notBefore.getTime() / 1000 > now && "be good already",
      certificate.notAfter.getTime() / 1000 - now <= limits.certificates.broughtMinSeconds &&
        `be good for another ${limits.certificates.broughtMinSeconds / 86_400} days`,
    ].find((one) => one !== false);
    return wanted ? [`must hold authorities alone: number ${below + 1} has to ${wanted}`] : [];
  });
  return problems[0];
}
