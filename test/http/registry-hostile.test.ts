import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
});

afterAll(() => berth.remove());

describe("any address of the registry's surface", () => {
  const segment = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("acme", "ci", "..", "%", "%ff", "\u0000", "+"),
  );
  const encoded = segment.map((text) => encodeURIComponent(text.toWellFormed()));

  it("is answered without breaking", async () => {
    const path = fc.oneof(
      encoded.map((service) => `/registries/${service}/certs.pem`),
      fc.tuple(encoded, encoded).map(([service, scope]) => `/v2/auth?service=${service}&scope=${scope}`),
      fc
        .tuple(encoded, encoded)
        .map(([account, scope]) => `/auth/token?account=${account}&scope=repository:${scope}:pull`),
    );
    await fc.assert(
      fc.asyncProperty(path, async (at) => {
        const { status } = await fetch(berth.url + at);
        expect([200, 400, 401, 404]).toContain(status);
      }),
      { numRuns: 200 },
    );
  });
});
