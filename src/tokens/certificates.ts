import { limits } from "../limits.ts";
import type { SigningKey } from "./signing-key.ts";

export interface Certificate {
  /** With those that lead up from it, if any. */
  readonly pem: string;
  /** Epoch seconds. */
  readonly notAfter: number;
}

/**
 * The authority of the `x5c` key profile: registries are given it, and each token brings its leaf along, so
 * that leaves rotate without a restart.
 */
export async function issueAuthority(key: SigningKey, service: string, now: number): Promise<Certificate> {
  const x509 = await loadX509();
  return describe(
    await x509.X509CertificateGenerator.createSelfSigned({
      ...validity(now, limits.certificates.authoritySeconds),
      serialNumber: serialNumber(),
      name: distinguishedName(`Berth ${service} CA`),
      signingAlgorithm: SIGNING,
      keys: key,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(key.publicKey),
      ],
    }),
  );
}

/**
 * A leaf of an authority, and what leads from it up to the certificate that the registry was given. It ends
 * no later than its authority.
 *
 * @param authority with its PEM chain, the issuing certificate first
 * @param seconds that it is good for
 */
export async function issueLeaf(
  key: SigningKey,
  service: string,
  authority: { readonly key: SigningKey; readonly pem: string },
  now: number,
  seconds: number,
): Promise<Certificate> {
  const x509 = await loadX509();
  const chain = splitPem(authority.pem);
  const issuer = new x509.X509Certificate(chain[0] ?? "");
  const { notBefore, notAfter } = validity(now, seconds);
  const keyId = issuer.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  const within = (time: Date) =>
    new Date(Math.min(Math.max(time.getTime(), issuer.notBefore.getTime()), issuer.notAfter.getTime()));
  const leaf = await describe(
    await x509.X509CertificateGenerator.create({
      notBefore: within(notBefore),
      notAfter: within(notAfter),
      serialNumber: serialNumber(),
      subject: distinguishedName(`Berth ${service}`),
      issuer: issuer.subjectName,
      signingAlgorithm: SIGNING,
      publicKey: key.publicKey,
      signingKey: authority.key.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        await x509.SubjectKeyIdentifierExtension.create(key.publicKey),
        keyId === undefined
          ? await x509.AuthorityKeyIdentifierExtension.create(authority.key.publicKey)
          : new x509.AuthorityKeyIdentifierExtension(keyId),
      ],
    }),
  );
  return { ...leaf, pem: [leaf.pem, ...chain.slice(0, -1)].join("") };
}

/** The certificate of the `kid` key profile, in which Distribution looks for nothing but the key. */
export async function issueSelfSigned(key: SigningKey, service: string, now: number): Promise<Certificate> {
  const x509 = await loadX509();
  return describe(
    await x509.X509CertificateGenerator.createSelfSigned({
      ...validity(now, limits.certificates.authoritySeconds),
      serialNumber: serialNumber(),
      name: distinguishedName(`Berth ${service}`),
      signingAlgorithm: SIGNING,
      keys: key,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        await x509.SubjectKeyIdentifierExtension.create(key.publicKey),
      ],
    }),
  );
}

const SIGNING = { name: "ECDSA", hash: "SHA-256" };

/** The library and the metadata polyfill that it needs take a while to load, and only issuing needs them. */
export async function loadX509() {
  await import("reflect-metadata");
  return import("@peculiar/x509");
}

function validity(now: number, seconds: number) {
  return {
    notBefore: new Date((now - limits.certificates.backdateSeconds) * 1000),
    notAfter: new Date((now + seconds) * 1000),
  };
}

function describe(certificate: { toString(format: "pem"): string; notAfter: Date }): Certificate {
  return { pem: `${certificate.toString("pem")}\n`, notAfter: Math.floor(certificate.notAfter.getTime() / 1000) };
}

function distinguishedName(commonName: string) {
  return [{ CN: [commonName.slice(0, 64)] }];
}

/** 127 random bits, positive and not zero (RFC 5280 §4.1.2.2). */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What is wrong with certificates in PEM, or `undefined`. */
export async function certificatesProblem(pem: string): Promise<string | undefined> {
  const x509 = await loadX509();
  const unreadable = splitPem(pem).findIndex((block) => {
    try {
      new x509.X509Certificate(block);
      return false;
    } catch {
      return true;
    }
  });
  return unreadable < 0 ? undefined : `holds a certificate that cannot be read: number ${unreadable + 1}`;
}

/** Certificates in PEM, one by one. */
export function splitPem(pem: string): string[] {
  return pem
    .split(/(?<=-----END CERTIFICATE-----)/)
    .filter((block) => block.trim() !== "")
    .map((block) => `${block.trim()}\n`);
}

/** Certificates in PEM as the `x5c` header holds them: base64 DER (RFC 7515 §4.1.6). */
export function certificateBodies(pem: string): string[] {
  return splitPem(pem).map((block) => block.replace(/-----[A-Z ]+-----|\s/g, ""));
}

/** The last of a chain in PEM: what a registry is to trust. */
export function trustAnchor(pem: string): string {
  return splitPem(pem).at(-1) ?? "";
}
