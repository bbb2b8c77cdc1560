// Its library wants this before anything else.
import "reflect-metadata";
import { isIP } from "node:net";
import * as x509 from "@peculiar/x509";

/** A certificate authority for servers of a test. */
export interface CertificateAuthority {
  /** PEM, for whoever is to trust it. */
  readonly certificate: string;
  /** A key and certificate for `name`, good for a day around now unless told otherwise. */
  issue(name: string, validity?: Validity): Promise<ServerCredential>;
}

export interface ServerCredential {
  readonly cert: string;
  readonly key: string;
}

interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MILLISECONDS = 24 * 3600 * 1000;

export const aroundNow = (): Validity => ({
  notBefore: new Date(Date.now() - DAY_MILLISECONDS),
  notAfter: new Date(Date.now() + DAY_MILLISECONDS),
});

export const yesterday = (): Validity => ({
  notBefore: new Date(Date.now() - 2 * DAY_MILLISECONDS),
  notAfter: new Date(Date.now() - DAY_MILLISECONDS),
});

export async function createCertificateAuthority(commonName = "Test CA"): Promise<CertificateAuthority> {
  const keys = await generateKeys();
  const name = `CN=${commonName}`;
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    ...aroundNow(),
    name,
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  });
  return {
    certificate: authority.toString("pem"),
    async issue(subject, validity = aroundNow()) {
      const own = await generateKeys();
      const certificate = await x509.X509CertificateGenerator.create({
        ...validity,
        subject: "CN=Test server",
        issuer: name,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        extensions: [
          new x509.SubjectAlternativeNameExtension([{ type: isIP(subject) ? "ip" : "dns", value: subject }]),
        ],
      });
      const pkcs8 = await crypto.subtle.exportKey("pkcs8", own.privateKey);
      return { cert: certificate.toString("pem"), key: x509.PemConverter.encode(pkcs8, "PRIVATE KEY") };
    },
  };
}

function generateKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}
