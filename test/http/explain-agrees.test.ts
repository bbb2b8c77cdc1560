import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { makeRobot, register } from "../support/issuers.ts";
import { createSigner, type Signer } from "../support/signer.ts";

let berth: TestBerth;
const signers = new Map<string, { readonly id: string; readonly signer: Signer }>();

const issuers = ["https://one.invalid", "https://two.invalid"];

beforeAll(async () => {
  berth = await startBerth();
  for (const issuer of issuers) {
    const signer = await createSigner(issuer, "key", "ES256");
    const { id } = await register(berth, issuer, {
      jwks: { keys: [signer.jwk] },
      replay_protection: issuer === issuers[1],
    });
    signers.set(issuer, { id, signer });
  }
});

afterAll(() => berth.remove());

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const ref = fc.constantFrom("main", "feature", 1);
const sub = fc.constantFrom("repo:a/b", "repo:a/c");

const condition = fc.oneof(
  fc.record({ equals: ref }),
  fc.record({ in: fc.array(ref, { minLength: 1, maxLength: 2 }) }),
  fc.record({ contains: ref }),
);

const binding = fc.record(
  {
    issuer: fc.constantFrom(...issuers),
    subject: fc.oneof(sub, fc.constantFrom("repo:a/*", "repo:*")),
    audiences: fc.constantFrom(["x"], ["x", "y"], undefined),
    clients: fc.constantFrom(["p"], undefined),
    claims: maybe(fc.record({ ref: condition })),
    scope: fc.constantFrom("repository:acme/{project}:pull", undefined),
    mode: fc.constantFrom("enforce", "enforce", "audit"),
    expires_at: fc.constantFrom("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z", undefined),
  },
  { requiredKeys: ["issuer", "subject"] },
);

const claims = fc.record({
  iss: fc.constantFrom(...issuers),
  sub: fc.oneof(sub, fc.constant("other")),
  aud: fc.constantFrom("x", "y", ["x", "z"], undefined),
  azp: fc.constantFrom("p", "q", undefined),
  ref: maybe(fc.oneof(ref, fc.array(ref, { maxLength: 2 }))),
  project: fc.constantFrom("app", "No", undefined),
  lifetime: fc.constantFrom(300, 300, 300, -300, 200_000),
  forged: fc.constantFrom(false, false, false, true),
});

it("an explanation decides as the exchange does, whatever the bindings and the token", async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(binding, { maxLength: 4, selector: meaning }), claims, async (bindings, given) => {
      const robot = await makeRobot(berth);
      const stored = await robot.federate(...bindings.map((one) => ({ description: "any", ...one })));
      expect(stored.status).toBe(200);
      const token = await makeToken(given);
      for (const attempt of ["first", "second"]) {
        const explained = await robot.explain(token);
        const exchanged = await robot.exchange(token);
        const { logs } = (await berth.api("GET", `/logs?request_id=${exchanged.headers.get("x-request-id")}`)).body;
        const [{ code, metadata }] = logs;
        seen.add(code);
        const { body } = explained;
        expect([body.code, body.granted, body.token_verified], attempt).toEqual([
          code,
          exchanged.status === 200,
          metadata.token_verified,
        ]);
        expect(body.told?.status ?? 200).toBe(exchanged.status);
        expect(body.told?.code).toBe(exchanged.body.code);
        const minting = body.bindings.filter(({ mints }: { mints: boolean }) => mints);
        expect(minting.map(({ id }: { id: string }) => id)).toEqual(code === "granted" ? [metadata.binding_id] : []);
        const reached = body.bindings.flatMap(({ rules }: { rules: { code?: string }[] }) => rules);
        if (code !== "granted" && code !== "robot_unbound" && code !== "issuer_unbound") {
          expect(reached.map((rule: { code?: string }) => rule.code)).toContain(code);
        }
      }
    }),
    { numRuns: 100, examples: issuers.flatMap(certain) },
  );
  expect([...seen].sort()).toEqual(
    expect.arrayContaining(["granted", "replayed", "subject_mismatch", "signature_invalid"]),
  );
});

/** The same for bindings that say the same, which a robot cannot have twice: a mode left out means to enforce. */
function meaning(one: Bindings[number]): string {
  return JSON.stringify({ mode: "enforce", ...one });
}

/** Cases that must not be left to chance: a token that passes, another's, and a forged one. */
function certain(iss: string): [Bindings, Given][] {
  const good = { iss, sub: "repo:a/b", aud: "x", azp: undefined, ref: undefined, project: undefined } as const;
  const bindings: Bindings = [{ issuer: iss, subject: "repo:a/b", audiences: ["x"] }];
  return [
    [bindings, { ...good, lifetime: 300, forged: false }],
    [bindings, { ...good, lifetime: 300, forged: false, sub: "other" }],
    [bindings, { ...good, lifetime: 300, forged: true }],
  ];
}

type Bindings = (typeof binding extends fc.Arbitrary<infer T> ? T : never)[];
type Given = typeof claims extends fc.Arbitrary<infer T> ? T : never;

async function makeToken({ iss, lifetime, forged, ...payload }: Given): Promise<string> {
  const now = Math.floor(berth.clock.now() / 1000);
  const iat = lifetime < 0 ? now - 900 : now;
  const { signer } = signers.get(iss) as { signer: Signer };
  const aud = payload.aud ?? berth.url;
  const times = { iat, nbf: iat, exp: now + lifetime };
  const token = await signer.sign(berth.url, { ...payload, ...times, iss, aud, jti: randomUUID() });
  return forged ? `${token.slice(0, token.lastIndexOf("."))}.${Buffer.alloc(64).toString("base64url")}` : token;
}
