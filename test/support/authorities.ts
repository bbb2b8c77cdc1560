// Its library wants this before anything else.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";

/** A certificate authority as an operator may bring one along. */
export interface TestAuthority {
  readonly keys: CryptoKeyPair;
  readonly certificate: x509.X509Certificate;
  /** Of its certificate. */
  readonly pem: string;
  /** PKCS#8. */
  readonly privateKey: string;
}

export interface TestAuthorityOptions {
  /** Without it, it is a root. */
  readonly by?: TestAuthority;
  readonly commonName?: string;
  /** Epoch milliseconds. */
  readonly from?: number;
  readonly until: number;
  readonly ca?: boolean;
  readonly pathLength?: number;
  readonly usages?: x509.KeyUsageFlags;
  readonly curve?: "P-256" | "P-384";
}

export async function createAuthority({ by, ...options }: TestAuthorityOptions): Promise<TestAuthority> {
  const { commonName = "Example CA", until, ca = true, pathLength, usages, curve = "P-256" } = options;
  const algorithm = { name: "ECDSA", namedCurve: curve, hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${commonName}`,
    issuer: by ? by.certificate.subject : `CN=${commonName}`,
    notBefore: new Date(options.from ?? until - 20 * 365 * DAY_MILLISECONDS),
    notAfter: new Date(until),
    publicKey: keys.publicKey,
    signingKey: (by ?? { keys }).keys.privateKey,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: [
      new x509.BasicConstraintsExtension(ca, pathLength, true),
      ...(usages === undefined ? [] : [new x509.KeyUsagesExtension(usages, true)]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    keys,
    certificate,
    pem: `${certificate.toString("pem")}\n`,
    privateKey: `${x509.PemConverter.encode(pkcs8, "PRIVATE KEY")}\n`,
  };
}

const DAY_MILLISECONDS = 24 * 3600 * 1000;

export const { KeyUsageFlags } = x509;
