import { generateKeyPairSync } from "node:crypto";
import { compactVerify, type JWK } from "jose";
import { expect, it } from "vitest";
import { nodeSignatures } from "../../src/ports/node/signatures.ts";

it("signs, and verifies, as JOSE writes signatures, whatever the two integers look like", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pkcs8 = new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" }));
  const sign = nodeSignatures.importSigner(pkcs8, {} as CryptoKey);
  const verify = await nodeSignatures.importVerifier(publicKey.export({ format: "jwk" }) as JWK);
  const header = Buffer.from('{"alg":"ES256"}').toString("base64url");
  // One integer of 256 begins with a zero byte: 1,000 signatures have some of all shapes.
  for (let i = 0; i < 1000; i++) {
    const compact = await sign(header, `ü${i}`);
    const [signature = ""] = compact.split(".").slice(2);
    expect(signature).toHaveLength(86);
    const bytes = new Uint8Array(Buffer.from(signature, "base64url"));
    expect(verify(compact.slice(0, -87), bytes)).toBe(true);
    expect(verify(`${compact.slice(0, -87)}A`, bytes)).toBe(false);
    const { payload } = await compactVerify(compact, publicKey);
    expect(Buffer.from(payload).toString()).toBe(`ü${i}`);
  }
});
