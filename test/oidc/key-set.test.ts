import { describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { parseKeySet } from "../../src/oidc/key-set.ts";
import { keySetOf } from "../support/fake-issuer.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const json = (value: unknown) => bytes(JSON.stringify(value));
const keys = (count: number) => json(keySetOf(...Array.from({ length: count }, (_, index) => `k${index}`)));

describe("a key set", () => {
  it("may have 64 keys", () => {
    expect(parseKeySet(keys(limits.issuerFetch.keys)).size).toBe(64);
  });

  it.each<[string, string, Uint8Array]>([
    ["has 65 keys", "its key set has 65 keys; 64 are allowed", keys(limits.issuerFetch.keys + 1)],
    ["has no key with a name", "its key set has no key with a kid", json({ keys: [{ kty: "EC" }] })],
    ["has no list of keys", "its key set has no list of keys", json({ keys: { length: 1 } })],
    ["is null", "its key set has no list of keys", json(null)],
    ["is not JSON", "its key set is not JSON", bytes("<html>")],
    ["is not UTF-8", "its key set is not JSON", Uint8Array.from([...bytes('{"keys":[],"x":"'), 0xff, ...bytes('"}')])],
  ])("is refused where it %s, in words for who runs the issuer", (_, message, body) => {
    expect(() => parseKeySet(body)).toThrow(expect.objectContaining({ name: "IssuerKeysInvalid", message }));
  });

  it("keeps of a private half no more than that it was there", () => {
    const [open, leaked] = [
      { kty: "EC", kid: "open" },
      { kty: "EC", kid: "leaked", d: "secret" },
    ];
    const set = parseKeySet(json({ keys: [open, leaked] }));
    expect(set.get("open")?.jwk).toEqual(open);
    expect(set.get("leaked")?.problem()).toBe("its private half is published too");
    expect(set.get("leaked")?.jwk).toEqual({ ...leaked, d: "" });
  });

  it("that is not JSON keeps what the parser said", () => {
    expect(() => parseKeySet(bytes("<html>"))).toThrow(expect.objectContaining({ cause: expect.any(SyntaxError) }));
  });
});
