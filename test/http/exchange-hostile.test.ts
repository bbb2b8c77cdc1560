import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { exchangeByForm, recordsOf } from "../support/refusals.ts";

let berth: TestBerth;
let issuer: TestIssuer;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  const binding = { issuer: issuer.url, subject, clients: ["runner"], claims: { ref: { equals: "main" } } };
  await berth.createRobot("acme+ci", { federation: [{ ...binding, scope: "repository:acme/{project}:pull" }] });
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

const goodClaims = () => {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: issuer.url,
    sub: subject,
    aud: berth.url,
    iat: now,
    exp: now + 300,
    jti: "j",
    azp: "runner",
    ref: "main",
    project: "app",
  };
};
const goodHeader = () => ({ alg: "RS256", typ: "JWT", kid: issuer.kid });
const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/** Either a robot token, or a refusal with one record: nothing else may come of any token. */
async function expectJudged(answer: ApiAnswer): Promise<void> {
  expect([200, 400, 503]).toContain(answer.status);
  const records = await recordsOf(berth, answer);
  expect(records).toHaveLength(1);
  expect(records[0].outcome).toBe(answer.status === 200 ? "success" : "refused");
  expect("access_token" in answer.body).toBe(answer.status === 200);
}

const hostileText = fc.constantFrom(
  "\u0000",
  "a\u0000b",
  "\ud800",
  "a\udc00",
  "\u202e",
  "'; --",
  "$&",
  "%00",
  "\\u0000",
  "💥",
);
const hostileValue = fc.oneof(
  hostileText,
  fc.array(hostileText),
  fc.string({ unit: "binary" }),
  fc.jsonValue(),
  fc.double(),
);

describe("a token that its issuer signed, whatever is in it", () => {
  it("passes as it is, so that what follows tests something", async () => {
    const answer = await berth.exchange("acme+ci", await issuer.signRaw(goodHeader(), encode(goodClaims())));
    expect(answer.status).toBe(200);
  });

  it.each(["azp", "client_id", "appid", "ref", "project", "jti", "sub", "aud", "iss", "x"])(
    "is judged where %s holds NUL or half a character",
    async (claim) => {
      for (const value of ["a\u0000b", "\ud800", ["\u0000"], { "\u0000": "\udfff" }]) {
        const claims = { ...goodClaims(), azp: undefined, [claim]: value };
        await expectJudged(await berth.exchange("acme+ci", await issuer.signRaw(goodHeader(), encode(claims))));
      }
    },
  );

  it("is judged with any claim replaced by anything", async () => {
    const names = ["iss", "sub", "aud", "iat", "exp", "nbf", "jti", "azp", "client_id", "appid", "ref", "project", "x"];
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.constantFrom(...names), hostileValue, { minKeys: 1, maxKeys: 3 }),
        async (claims) => {
          const token = await issuer.signRaw(goodHeader(), encode({ ...goodClaims(), ...claims }));
          await expectJudged(await berth.exchange("acme+ci", token));
        },
      ),
      { numRuns: 200 },
    );
  });

  it("is judged with any header parameter replaced by anything", async () => {
    const names = ["alg", "typ", "kid", "crit", "cty", "jwk", "jku", "x5c", "x5u", "zip", "b64", "x"];
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.constantFrom(...names), hostileValue, { minKeys: 1, maxKeys: 2 }),
        async (header) => {
          const token = await issuer.signRaw({ ...goodHeader(), ...header }, encode(goodClaims()));
          await expectJudged(await berth.exchange("acme+ci", token));
        },
      ),
    );
  });

  it("is judged whatever bytes it signs", async () => {
    const almost = fc.tuple(fc.nat(400), fc.uint8Array({ minLength: 1, maxLength: 4 })).map(([at, bytes]) => {
      const payload = encode(goodClaims());
      payload.set(bytes, Math.min(at, payload.length - bytes.length));
      return payload;
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof(almost, fc.uint8Array({ minLength: 1 })), async (payload) => {
        await expectJudged(await berth.exchange("acme+ci", await issuer.signRaw(goodHeader(), payload)));
      }),
    );
  });
});

describe("a caller that sends anything", () => {
  it("is answered as a password of Basic", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), async (user, password) => {
        const { status } = await berth.exchange(user, password);
        expect([400, 401]).toContain(status);
      }),
    );
  });

  it("is answered as parameters of a form", async () => {
    const names = [
      "grant_type",
      "subject_token_type",
      "requested_token_type",
      "resource",
      "audience",
      "scope",
      "actor_token",
      "x",
    ];
    const parameters = fc.dictionary(fc.constantFrom(...names), fc.oneof(hostileText, fc.string({ unit: "binary" })), {
      maxKeys: 2,
    });
    await fc.assert(
      fc.asyncProperty(parameters, fc.string({ unit: "binary" }), async (given, token) => {
        const { status, body } = await exchangeByForm(berth, "acme+ci", token, given);
        expect(status).toBe(400);
        expect(body.message).toBe(body.error_description);
      }),
    );
  });
});
