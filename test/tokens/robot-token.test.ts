import { decodeJwt, decodeProtectedHeader, SignJWT } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { mintRegistryToken } from "../../src/tokens/registry-token.ts";
import { type FindKey, mintRobotToken, verifyRobotToken } from "../../src/tokens/robot-token.ts";
import type { SigningKey } from "../../src/tokens/signing-key.ts";
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

const among =
  (keys: readonly SigningKey[]): FindKey =>
  async (kid) =>
    keys.find((one) => one.kid === kid)?.publicKey;

beforeAll(async () => {
  key = await makeSigningKey();
});

const verify = (compact: string, at = now) => verifyRobotToken(compact, parties, among([key]), at);

describe("a robot token", () => {
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
    ["another issuer", {}, { iss: "https://other.example" }],
    ["another audience", {}, { aud: "https://berth.example" }],
    ["no audience", {}, { aud: undefined }],
    ["no end", {}, { exp: undefined }],
    ["no jti", {}, { jti: undefined }],
    ["no binding", {}, { binding: undefined }],
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

  it.each(["", "secret", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])("is not %j", async (compact) => {
    expect(await verify(compact)).toEqual({ ok: false, reason: "invalid" });
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
