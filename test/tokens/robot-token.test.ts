import { decodeJwt, decodeProtectedHeader, SignJWT } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { nodeSignatures } from "../../src/ports/node/signatures.ts";
import { encodeHeader } from "../../src/tokens/compact.ts";
import { mintRegistryToken } from "../../src/tokens/registry-token.ts";
import { type FindKey, mintRobotToken, verifyRobotToken } from "../../src/tokens/robot-token.ts";
import { type Signatures, type SigningKey, webCryptoSignatures } from "../../src/tokens/signing-key.ts";
import { makeRegistryKeys, makeSigningKey } from "../support/signing-keys.ts";

const now = 1_800_000_000;
const parties = { publicUrl: "https://berth.example" };
const token = {
  robot: { organization: "acme", robot: "ci" },
  bindingId: "binding-1",
  bindingVersion: 3,
  epoch: 0,
  jti: "jti-1",
  iat: now,
  exp: now + 3600,
};
let key: SigningKey;

let signatures: Signatures;

const among =
  (keys: readonly SigningKey[]): FindKey =>
  async (kid) => {
    const key = keys.find((one) => one.kid === kid);
    return key && { verify: await signatures.importVerifier(key.publicJwk) };
  };

beforeAll(async () => {
  key = await makeSigningKey();
});

const verify = (compact: string, at = now) => verifyRobotToken(compact, parties, among([key]), at);

describe.each([
  ["Node's crypto", nodeSignatures],
  ["WebCrypto", webCryptoSignatures],
])("a robot token, verified by %s,", (_, given) => {
  beforeAll(() => {
    signatures = given;
  });

  it("says what the contract says, and nothing else", async () => {
    const compact = await mintRobotToken(token, parties, key);
    expect(decodeProtectedHeader(compact)).toEqual({ alg: "ES256", typ: "berth-robot+jwt", kid: key.kid });
    expect(decodeJwt(compact)).toEqual({
      iss: "https://berth.example",
      sub: "acme+ci",
      aud: "https://berth.example/v2/auth",
      iat: now,
      nbf: now - 30,
      exp: now + 3600,
      jti: "jti-1",
      binding: { id: "binding-1", version: 3 },
      epoch: 0,
    });
  });

  it("says what it was narrowed to, if it was", async () => {
    for (const scope of ["repository:acme/app:pull", ""]) {
      const compact = await mintRobotToken({ ...token, scope }, parties, key);
      expect(decodeJwt(compact)).toMatchObject({ scope });
      expect(await verify(compact)).toMatchObject({ ok: true, token: { scope } });
    }
  });

  it("is read back as it was minted", async () => {
    const { iat: _, ...rest } = token;
    expect(await verify(await mintRobotToken(token, parties, key))).toEqual({
      ok: true,
      token: { ...rest, kid: key.kid, nbf: now - 30 },
    });
  });

  it("ends at its exp, to the second", async () => {
    const compact = await mintRobotToken(token, parties, key);
    expect(await verify(compact, now + 3599)).toMatchObject({ ok: true });
    expect(await verify(compact, now + 3600)).toEqual({ ok: false, reason: "expired", exp: now + 3600 });
  });

  it("is good at once on an instance whose clock is a little behind", async () => {
    const compact = await mintRobotToken(token, parties, key);
    expect(await verify(compact, now - 5)).toMatchObject({ ok: true });
  });

  it("is good with any key of the ring, and with no other", async () => {
    const next = await makeSigningKey();
    const compact = await mintRobotToken(token, parties, key);
    expect(await verifyRobotToken(compact, parties, among([next, key]), now)).toMatchObject({ ok: true });
    expect(await verifyRobotToken(compact, parties, among([next]), now)).toEqual({ ok: false, reason: "invalid" });
    expect(await verifyRobotToken(compact, parties, among([{ ...next, kid: key.kid }]), now)).toEqual({
      ok: false,
      reason: "invalid",
    });
  });

  it("is good at its own service alone", async () => {
    const elsewhere = await mintRobotToken(token, { publicUrl: "https://other.example" }, key);
    expect(await verify(elsewhere)).toEqual({ ok: false, reason: "invalid" });
  });

  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ["another typ", { typ: "JWT" }, {}],
    ["no typ", { typ: undefined }, {}],
    ["no kid", { kid: undefined }, {}],
    ["another issuer", {}, { iss: "https://other.example" }],
    ["another audience", {}, { aud: "https://berth.example" }],
    ["no audience", {}, { aud: undefined }],
    ["an audience besides", {}, { aud: ["https://berth.example/v2/auth", "https://other.example"] }],
    ["no end", {}, { exp: undefined }],
    ["no jti", {}, { jti: undefined }],
    ["an end in words", {}, { exp: "tomorrow" }],
    ["no binding", {}, { binding: undefined }],
    ["half a binding", {}, { binding: { id: "binding-1" } }],
    ["a version in words", {}, { binding: { id: "binding-1", version: "3" } }],
    ["an epoch in words", {}, { epoch: "0" }],
    ["a scope that is none", {}, { scope: ["repository:acme/app:pull"] }],
    ["no subject", {}, { sub: undefined }],
    ["a subject that is no robot", {}, { sub: "acme" }],
    ["a start in the future", {}, { nbf: now + 60 }],
  ])("is not one that has %s, though a key of the ring signed it", async (_, header, claims) => {
    const good = { ...decodeJwt(await mintRobotToken(token, parties, key)), ...claims };
    const compact = await new SignJWT(good)
      .setProtectedHeader({ alg: "ES256", typ: "berth-robot+jwt", kid: key.kid, ...header })
      .sign(key.privateKey);
    expect(await verify(compact)).toEqual({ ok: false, reason: "invalid" });
  });

  it.each(["", "secret", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "e30.e30.e30", "bnVsbA.e30.AA", "W10.e30.AA"])(
    "is not %j",
    async (compact) => {
      expect(await verify(compact)).toEqual({ ok: false, reason: "invalid" });
    },
  );

  it("is not one whose signature is another, or of another length", async () => {
    const [header, payload, signature = ""] = (await mintRobotToken(token, parties, key)).split(".");
    const bytes = Buffer.from(signature, "base64url");
    const flipped = Array.from(bytes, (byte, at) => bytes.with(at, byte ^ 1));
    const halves = [
      Buffer.concat([Buffer.alloc(32), bytes.subarray(32)]),
      Buffer.concat([bytes.subarray(0, 32), Buffer.alloc(32)]),
    ];
    const others = [bytes.subarray(1), Buffer.concat([bytes, bytes]), Buffer.alloc(64), Buffer.alloc(64, 0xff)];
    for (const other of [...flipped, ...halves, ...others]) {
      const compact = `${header}.${payload}.${Buffer.from(other).toString("base64url")}`;
      expect(await verify(compact)).toEqual({ ok: false, reason: "invalid" });
    }
  });

  it("is not one whose header or payload was changed", async () => {
    const [header = "", payload = "", signature] = (await mintRobotToken(token, parties, key)).split(".");
    const changed = (part: string, more: object) =>
      Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(part, "base64url").toString()), ...more })).toString(
        "base64url",
      );
    for (const compact of [
      `${changed(header, { cty: "x" })}.${payload}.${signature}`,
      `${changed(header, { alg: "none" })}.${payload}.${signature}`,
      `${changed(header, { alg: "HS256" })}.${payload}.${signature}`,
      `${header}.${changed(payload, { sub: "acme+other" })}.${signature}`,
    ]) {
      expect(await verify(compact)).toEqual({ ok: false, reason: "invalid" });
    }
  });

  it("is not one that is to be understood otherwise", async () => {
    const [, payload = ""] = (await mintRobotToken(token, parties, key)).split(".");
    const header = { alg: "ES256", typ: "berth-robot+jwt", kid: key.kid };
    const sign = async (more: object) =>
      key.sign(encodeHeader({ ...header, ...more }), Buffer.from(payload, "base64url").toString());
    expect(await verify(await sign({}))).toMatchObject({ ok: true });
    expect(await verify(await sign({ crit: ["b64"], b64: false }))).toEqual({ ok: false, reason: "invalid" });
  });

  it("goes by one name", async () => {
    const compact = await mintRobotToken(token, parties, key);
    for (const other of [`${compact}=`, compact.replace(".", "=."), ` ${compact}`, `${compact}.`, `${compact}\n`]) {
      expect(await verify(other)).toEqual({ ok: false, reason: "invalid" });
    }
  });

  it("is not a registry token, even where one key signed both", async () => {
    const { signing } = await makeRegistryKeys("registry.example", now);
    const shared = { ...signing, sign: key.sign };
    const registryToken = await mintRegistryToken(
      {
        issuer: parties.publicUrl,
        service: `${parties.publicUrl}/v2/auth`,
        subject: "acme+ci",
        access: [],
        jti: "j",
        issuedAt: now,
        ttl: 900,
      },
      shared,
    );
    expect(await verify(registryToken)).toEqual({ ok: false, reason: "invalid" });
  });
});
