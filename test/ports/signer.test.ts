import { generateKeyPairSync } from "node:crypto";
import { compactVerify } from "jose";
import { expect, it } from "vitest";
import { importSigner } from "../../src/ports/node/signer.ts";

it("signs as JOSE writes signatures, whatever the two integers look like", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pkcs8 = new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" }));
  const sign = importSigner(pkcs8, {} as CryptoKey);
  const header = Buffer.from('{"alg":"ES256"}').toString("base64url");
  // One integer of 256 begins with a zero byte: 1,000 signatures have some of all shapes.
  for (let i = 0; i < 1000; i++) {
    const compact = await sign(header, `ü${i}`);
    expect(compact.split(".")[2]).toHaveLength(86);
    const { payload } = await compactVerify(compact, publicKey);
    expect(Buffer.from(payload).toString()).toBe(`ü${i}`);
  }
});
