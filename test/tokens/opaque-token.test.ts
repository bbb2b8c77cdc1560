import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { generateOpaqueToken, isOpaqueToken } from "../../src/tokens/opaque-token.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const isRobots = (text: string) => isOpaqueToken("robot", text);
const made = () => generateOpaqueToken("robot").reveal();

describe("a static robot token", () => {
  it("is no API token, nor the other way round", () => {
    const apiToken = generateOpaqueToken("api").reveal();
    expect(apiToken).toMatch(/^berth_api_[A-Za-z0-9_-]{49}$/);
    expect([isOpaqueToken("api", apiToken), isRobots(apiToken), isOpaqueToken("api", made())]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it("has a prefix that scanners know, 256 bits of randomness and a checksum", () => {
    expect(made()).toMatch(/^berth_robot_[A-Za-z0-9_-]{49}$/);
    const many = Array.from({ length: 500 }, made);
    expect(new Set(many).size).toBe(many.length);
    expect(many.every(isRobots)).toBe(true);
  });

  it("has the CRC-32 that others compute, and keeps it: tokens in use would stop working", () => {
    expect(isRobots(`berth_robot_${"A".repeat(43)}DCtZhg`)).toBe(true);
  });

  it("is never printed by accident", () => {
    const token = generateOpaqueToken("robot");
    expect(`${token} ${JSON.stringify({ token })}`).toBe('[redacted] {"token":"[redacted]"}');
  });

  it("is told from one with a slip in it: a character changed, or two swapped", () => {
    const slip = fc.record({ at: fc.nat(48), to: fc.constantFrom(...ALPHABET) });
    fc.assert(
      fc.property(slip, ({ at, to }) => {
        const token = made();
        const place = "berth_robot_".length + at;
        const changed = token.slice(0, place) + to + token.slice(place + 1);
        const swapped = token.slice(0, place) + (token[place + 1] ?? "") + token[place] + token.slice(place + 2);
        for (const other of [changed, swapped]) expect(isRobots(other)).toBe(other === token);
      }),
    );
  });

  it("is told from other credentials, and from what stands around it", () => {
    const token = made();
    const others = ["", "berth_robot_", "eyJhbGciOiJFUzI1NiJ9.e30.x", token.toUpperCase(), token.slice(6)];
    const around = [`${token} `, ` ${token}`, `${token}\n`, `${token}=`, `${token}${token}`, token.slice(0, -1)];
    expect([...others, ...around].filter(isRobots)).toEqual([]);
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => !isRobots(text)));
  });
});
