import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createSealer, SealError } from "../../src/tokens/sealing.ts";
import { generateKey, type KeyPurpose, openKey } from "../../src/tokens/signing-key.ts";
import { makeSealingKey } from "../support/signing-keys.ts";

const [oldKey, newKey] = [makeSealingKey(), makeSealingKey()];
const text = new TextEncoder().encode("a private key");

describe("a sealed value", () => {
  it("opens to what it was, in its own context", async () => {
    const sealer = await createSealer([oldKey]);
    const bytes = fc.uint8Array().map((value) => new Uint8Array(value));
    await fc.assert(
      fc.asyncProperty(bytes, fc.string(), async (value, context) => {
        expect(await sealer.open(await sealer.seal(value, context), context)).toEqual(value);
      }),
    );
  });

  it("opens in no other context", async () => {
    const sealer = await createSealer([oldKey]);
    const sealed = await sealer.seal(text, "robot_token key 1");
    await expect(sealer.open(sealed, "robot_token key 2")).rejects.toThrow(SealError);
    await expect(sealer.open(sealed, "")).rejects.toThrow(SealError);
  });

  it("shows nothing of what is in it, and never looks the same twice", async () => {
    const sealer = await createSealer([oldKey]);
    const [one, other] = [await sealer.seal(text, "c"), await sealer.seal(text, "c")];
    expect(one).not.toBe(other);
    expect(Buffer.from(one.split(".").at(-1) ?? "", "base64url").includes("private")).toBe(false);
  });

  it("does not open once any character of it is changed", async () => {
    const sealer = await createSealer([oldKey]);
    const sealed = await sealer.seal(text, "c");
    for (let at = 0; at < sealed.length; at += 1) {
      if (sealed[at] === ".") continue;
      const changed = sealed.slice(0, at) + (sealed[at] === "B" ? "C" : "B") + sealed.slice(at + 1);
      const opened = await sealer.open(changed, "c").catch((error) => error);
      if (opened instanceof Uint8Array) expect(decode(changed)).toEqual(decode(sealed));
      else expect(opened).toBeInstanceOf(SealError);
    }
  });

  it.each(["", "v1", "v1...", "v2.a.b.c", "a.b.c.d", "v1.%.%.%"])(
    "does not open where it never was one: %j",
    async (sealed) => {
      const sealer = await createSealer([oldKey]);
      await expect(sealer.open(sealed, "c")).rejects.toThrow(SealError);
    },
  );

  it("stays open while its key is on the list, and is sealed anew with the first", async () => {
    const before = await (await createSealer([oldKey])).seal(text, "c");
    const changing = await createSealer([newKey, oldKey]);
    expect(await changing.open(before, "c")).toEqual(text);

    const after = await changing.seal(text, "c");
    const changed = await createSealer([newKey]);
    expect(await changed.open(after, "c")).toEqual(text);
    await expect(changed.open(before, "c")).rejects.toThrow(SealError);
  });

  it("needs a key", async () => {
    await expect(createSealer([])).rejects.toThrow(SealError);
  });
});

/** The bytes that a sealed value stands for: a few characters carry bits that base64url drops. */
function decode(sealed: string): unknown[] {
  const [version, id, ...parts] = sealed.split(".");
  return [version, id, ...parts.map((part) => Buffer.from(part, "base64url").toString("hex"))];
}

describe("a stored signing key", () => {
  it("opens as what it is and for whom it is, and as nothing else", async () => {
    const sealer = await createSealer([oldKey]);
    const stored = await generateKey(
      { id: "id-1", purpose: "registry_token", registryId: "registry-1", profile: "x5c" },
      sealer,
    );
    expect((await openKey(stored, sealer)).kid).toBe(stored.kid);
    const others: { id?: string; purpose?: KeyPurpose; registryId?: string | null }[] = [
      { id: "id-2" },
      { purpose: "robot_token" },
      { purpose: "registry_authority" },
      { registryId: "registry-2" },
      { registryId: null },
    ];
    for (const other of others) await expect(openKey({ ...stored, ...other }, sealer)).rejects.toThrow(SealError);
  });

  it("cannot be taken out again, and shows only its public half", async () => {
    const sealer = await createSealer([oldKey]);
    const stored = await generateKey({ id: "id-1", purpose: "robot_token", registryId: null, profile: null }, sealer);
    expect(Object.keys(stored.publicJwk).sort()).toEqual(["crv", "kty", "x", "y"]);
    const { privateKey } = await openKey(stored, sealer);
    expect(privateKey.extractable).toBe(false);
    await expect(crypto.subtle.exportKey("pkcs8", privateKey)).rejects.toThrow();
  });
});
