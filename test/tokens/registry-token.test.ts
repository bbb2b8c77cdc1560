import { X509Certificate } from "node:crypto";
import { decodeJwt, decodeProtectedHeader, importX509, jwtVerify } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { isRegistryToken, mintRegistryToken, type RegistryToken } from "../../src/tokens/registry-token.ts";
import { mintRobotToken } from "../../src/tokens/robot-token.ts";
import { makeRegistryKeys } from "../support/signing-keys.ts";

const now = 1_800_000_000;
const service = "registry.example";
const issuer = "https://berth.example";
const token: RegistryToken = {
  issuer,
  service,
  subject: "acme+ci",
  access: [{ type: "repository", name: "acme/app", actions: ["pull", "push"] }],
  jti: "jti-1",
  issuedAt: now,
  ttl: 900,
};
let keys: Awaited<ReturnType<typeof makeRegistryKeys>>;

beforeAll(async () => {
  keys = await makeRegistryKeys(service, now);
});

describe("a registry token", () => {
  it("says what registries demand, and nothing else", async () => {
    const compact = await mintRegistryToken(token, keys.signing);
    expect(decodeProtectedHeader(compact)).toEqual({ alg: "ES256", typ: "JWT", ...keys.signing.hint });
    expect(decodeJwt(compact)).toEqual({
      iss: issuer,
      sub: "acme+ci",
      aud: service,
      iat: now - 30,
      nbf: now - 30,
      exp: now + 900,
      jti: "jti-1",
      access: [{ type: "repository", name: "acme/app", actions: ["pull", "push"] }],
    });
  });

  it("has whole seconds and one audience in its very text", async () => {
    const compact = await mintRegistryToken(token, keys.signing);
    const text = Buffer.from(compact.split(".")[1] ?? "", "base64url").toString();
    expect(text).toContain('"aud":"registry.example"');
    for (const claim of ["iat", "nbf", "exp"]) expect(text).toMatch(new RegExp(`"${claim}":[0-9]+[,}]`));
  });

  it("says of nobody that it is nobody's, and of nothing that it is nothing", async () => {
    const compact = await mintRegistryToken({ ...token, subject: "", access: [] }, keys.signing);
    expect(decodeJwt(compact)).toMatchObject({ sub: "", access: [] });
  });

  it("verifies with the certificate that it brings, as a registry verifies it", async () => {
    const compact = await mintRegistryToken(token, keys.signing);
    const [body] = decodeProtectedHeader(compact).x5c ?? [];
    const pem = `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----`;
    const verified = await jwtVerify(compact, await importX509(pem, "ES256"), {
      issuer,
      audience: service,
      currentDate: new Date(now * 1000),
    });
    expect(verified.payload.sub).toBe("acme+ci");
  });

  it("is known again by the service, until it ends and for its own registry alone", async () => {
    const compact = await mintRegistryToken(token, keys.signing);
    const own = [keys.signing.publicKey];
    const { signing: other } = await makeRegistryKeys("other.example", now);
    const is = (given = {}, with_ = own, at = now) =>
      isRegistryToken(compact, { issuer, service, ...given }, with_, at);
    expect(await is()).toBe(true);
    expect(await is({}, [other.publicKey, ...own])).toBe(true);
    expect(await is({}, own, now + 899)).toBe(true);
    expect(await is({}, own, now + 900)).toBe(false);
    expect(await is({ service: "other.example" })).toBe(false);
    expect(await is({ issuer: "https://other.example" })).toBe(false);
    expect(await is({}, [other.publicKey])).toBe(false);
    expect(await is({}, [])).toBe(false);
  });

  it("is not a robot token, even where one key signed both", async () => {
    const robotToken = await mintRobotToken(
      {
        robot: { organization: "acme", robot: "ci" },
        bindingId: "b",
        bindingVersion: 1,
        epoch: 0,
        jti: "j",
        iat: now,
        exp: now + 900,
      },
      { publicUrl: issuer },
      keys.signing,
    );
    const parties = { issuer, service: `${issuer}/v2/auth` };
    expect(await isRegistryToken(robotToken, parties, [keys.signing.publicKey], now)).toBe(false);
  });

  it.each(["", "secret", "a.b.c"])("is not %j", async (compact) => {
    expect(await isRegistryToken(compact, { issuer, service }, [keys.signing.publicKey], now)).toBe(false);
  });
});

describe("a registry's certificates", () => {
  const parse = () => ({
    authority: new X509Certificate(keys.authority.pem),
    leaf: new X509Certificate(keys.leaf.pem),
  });

  it("form a chain: the authority signs itself and the leaf", () => {
    const { authority, leaf } = parse();
    expect(authority.ca).toBe(true);
    expect(authority.checkIssued(authority)).toBe(true);
    expect(authority.verify(authority.publicKey)).toBe(true);
    expect(leaf.ca).toBe(false);
    expect(leaf.checkIssued(authority)).toBe(true);
    expect(leaf.verify(authority.publicKey)).toBe(true);
  });

  it("hold P-256 keys, since Distribution 2.8 takes no Ed25519", () => {
    for (const { publicKey } of Object.values(parse())) {
      expect(publicKey.asymmetricKeyType).toBe("ec");
      expect(publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
    }
  });

  it("are good from before they are made, and the authority outlives every leaf", () => {
    const { authority, leaf } = parse();
    for (const { validFrom } of [authority, leaf]) expect(Date.parse(validFrom) / 1000).toBeLessThan(now - 3600);
    expect(Date.parse(authority.validTo)).toBeGreaterThan(Date.parse(leaf.validTo));
    expect(Date.parse(leaf.validTo) / 1000).toBe(keys.leaf.notAfter);
  });

  it("have serial numbers of their own, positive and of at most 20 bytes", () => {
    const { authority, leaf } = parse();
    expect(authority.serialNumber).not.toBe(leaf.serialNumber);
    for (const { serialNumber } of [authority, leaf]) expect(serialNumber).toMatch(/^[0-7][0-9A-F]{1,39}$/);
  });

  it("can be made for a service of any length and any characters", async () => {
    for (const odd of ["x".repeat(255), 'a,b=c+d;e<f>g#"h']) {
      const made = await makeRegistryKeys(odd, now);
      expect(new X509Certificate(made.leaf.pem).checkIssued(new X509Certificate(made.authority.pem))).toBe(true);
    }
  });
});
