import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { createCertificateAuthority } from "../support/certificate-authority.ts";
import { register } from "../support/issuers.ts";
import { expectProblem } from "../support/problems.ts";
import { makeRocaKey } from "../support/roca.ts";
import { createSigner, type Signer } from "../support/signer.ts";

let berth: TestBerth;
let signer: Signer;
const string = "https://kubernetes.default.svc.cluster.local";

beforeAll(async () => {
  [berth, signer] = await Promise.all([
    startBerth({ environment: { BERTH_ALLOW_INSECURE_ISSUERS: "false" } }),
    createSigner(string),
  ]);
});

afterAll(() => berth.remove());

/** The problems that registering it is refused for. */
async function problemsOf(settings: object): Promise<unknown> {
  const answer = await berth.api("POST", "/issuers", { issuer: string, ...settings });
  expectProblem(answer, 400, "invalid");
  return answer.body.errors;
}

const publicJwk = (key: { export(options: { format: "jwk" }): object }) => key.export({ format: "jwk" });

describe("an uploaded key", () => {
  it.each<[string, (jwk: object) => object | Promise<object>, RegExp]>([
    ["is private", () => signer.privateJwk, /private or symmetric/],
    ["has one private member", (jwk) => ({ ...jwk, dp: "AQAB" }), /private or symmetric/],
    ["is a shared secret", () => ({ kty: "oct", kid: "a", k: "c2VjcmV0" }), /private or symmetric/],
    ["has no kid", (jwk) => ({ ...jwk, kid: undefined }), /must have a kid/],
    ["has an empty kid", (jwk) => ({ ...jwk, kid: "" }), /must have a kid/],
    ["has a number for a kid", (jwk) => ({ ...jwk, kid: 1 }), /must have a kid/],
    ["has a kid of 257 characters", (jwk) => ({ ...jwk, kid: "k".repeat(257) }), /must have a kid/],
    ["is for encryption", (jwk) => ({ ...jwk, use: "enc" }), /use is not sig/],
    ["has an exponent of 1", (jwk) => ({ ...jwk, e: "AQ" }), /exponent/],
    [
      "is RSA of 1024 bits",
      () => ({ ...publicJwk(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey), kid: "a" }),
      /1024 bits/,
    ],
    ["has the ROCA weakness", () => ({ kid: "a", ...rocaJwk() }), /ROCA/],
    ["is of a kind that signs nothing", () => ({ kty: "OKP", crv: "X25519", x: "AQAB", kid: "a" }), /no key for/],
  ])("that %s is refused", async (_, change, message) => {
    expect(await problemsOf({ jwks: { keys: [await change(signer.jwk)] } })).toEqual([
      { path: ["jwks", "keys", 0], message: expect.stringMatching(message) },
    ]);
  });

  it("that is of no algorithm which the issuer may use is refused", async () => {
    expect(await problemsOf({ jwks: { keys: [signer.jwk] }, algorithms: ["ES256"] })).toEqual([
      { path: ["jwks", "keys", 0], message: expect.stringMatching(/no key for ES256/) },
    ]);
  });

  it("that has another's kid is refused", async () => {
    const other = await createSigner(string);
    expect(await problemsOf({ jwks: { keys: [signer.jwk, other.jwk] } })).toEqual([
      { path: ["jwks", "keys", 1], message: "has the kid of another key" },
    ]);
  });

  it("is one of 64 at most, and of one at least", async () => {
    const keys = (count: number) => Array.from({ length: count }, (_, index) => ({ ...signer.jwk, kid: `k${index}` }));
    expect(await problemsOf({ jwks: { keys: keys(65) } })).toMatchObject([{ path: ["jwks", "keys"] }]);
    expect(await problemsOf({ jwks: { keys: [] } })).toMatchObject([{ path: ["jwks", "keys"] }]);
    expect((await register(berth, string, { jwks: { keys: keys(64) } })).jwks.keys).toHaveLength(64);
  });

  it("that another issuer of the same string has is refused, and so by a change", async () => {
    const shared = "https://shared.example";
    const [one, other] = [await createSigner(shared), await createSigner(shared)];
    const { id } = await register(berth, shared, { jwks: { keys: [one.jwk] } });
    const message = `is a key of the issuer ${id}, which has the same string`;
    const renamed = { ...one.jwk, kid: "another" };
    const again = await berth.api("POST", "/issuers", { issuer: shared, jwks: { keys: [other.jwk, renamed] } });
    expect(again.body.errors).toEqual([{ path: ["jwks", "keys", 1], message }]);
    const second = await register(berth, shared, { jwks: { keys: [{ ...other.jwk, kid: "other" }] } });
    const changed = await berth.api("PATCH", `/issuers/${second.id}`, { jwks: { keys: [renamed] } });
    expect(changed.body.errors).toEqual([{ path: ["jwks", "keys", 0], message }]);
    expect((await berth.api("PATCH", `/issuers/${id}`, { jwks: { keys: [one.jwk] } })).status).toBe(200);
  });

  it("is refused by a change as well, which then changes nothing", async () => {
    const { id } = await register(berth, "https://kept.example", { name: "kept", jwks: { keys: [signer.jwk] } });
    const answer = await berth.api("PATCH", `/issuers/${id}`, { name: "lost", jwks: { keys: [signer.privateJwk] } });
    expectProblem(answer, 400, "invalid");
    expect((await berth.api("GET", `/issuers/${id}`)).body).toMatchObject({
      name: "kept",
      jwks: { keys: [signer.jwk] },
    });
    const narrowed = await berth.api("PATCH", `/issuers/${id}`, { algorithms: ["ES256"] });
    expect(narrowed.body.errors).toMatchObject([{ path: ["jwks", "keys", 0] }]);
  });

  it("never shows in the log, nor does a private one that was refused", () => {
    const log = berth.log.join("\n");
    expect(log).not.toContain(signer.privateJwk.d);
    expect(log).not.toContain(signer.jwk.n);
  });
});

describe("an issuer's settings", () => {
  it("are refused with every problem named", async () => {
    const answer = await berth.api("POST", "/issuers", {
      issuer: "https://Upper.example?x",
      preset: "nonsense",
      jwks: { keys: [signer.privateJwk, { ...signer.jwk, kid: "" }] },
      jwks_uri: "http://keys.example",
      ca_pem: "nonsense",
      audiences: [],
    });
    const detail = expectProblem(answer, 400, "invalid");
    const paths = answer.body.errors.map(({ path }: { path: string[] }) => path.join("."));
    expect(new Set(paths)).toEqual(
      new Set(["issuer", "preset", "jwks_uri", "ca_pem", "audiences", "jwks.keys.0", "jwks.keys.1"]),
    );
    for (const path of paths) expect(detail).toContain(path);
  });

  it.each<[string, object, string]>([
    ["an issuer over http", { issuer: "http://ci.example" }, "issuer"],
    ["an issuer with a query", { issuer: "https://ci.example/?a" }, "issuer"],
    ["a jwks_uri over http", { jwks_uri: "http://keys.example/jwks" }, "jwks_uri"],
    ["a jwks_uri with a user", { jwks_uri: "https://a:b@keys.example/jwks" }, "jwks_uri"],
    ["a jwks_uri with a fragment", { jwks_uri: "https://keys.example/jwks#a" }, "jwks_uri"],
    ["a jwks_uri that is none", { jwks_uri: "keys" }, "jwks_uri"],
    ["a max_token_age over 48 hours", { max_token_age: 172_801 }, "max_token_age"],
    ["a max_token_age under a minute", { max_token_age: 59 }, "max_token_age"],
    ["no algorithm", { algorithms: [] }, "algorithms"],
    ["an HMAC", { algorithms: ["HS256"] }, "algorithms"],
    ["none for an algorithm", { algorithms: ["none"] }, "algorithms"],
    ["no audience and no client", { audiences: [], clients: [] }, "audiences"],
    ["an empty audience", { audiences: [""] }, "audiences"],
    ["an unknown preset", { preset: "github" }, "preset"],
    ["an empty name", { name: "" }, "name"],
    ["a setting that there is not", { enabled: true }, ""],
    ["an id", { id: "x" }, ""],
  ])("are refused for %s", async (_, settings, path) => {
    const answer = await berth.api("POST", "/issuers", { issuer: "https://ci.example", ...settings });
    expectProblem(answer, 400, "invalid");
    expect(answer.body.errors.map((one: { path: string[] }) => one.path[0] ?? "")).toEqual([path]);
  });

  it("never make the service its own issuer", async () => {
    expect(await problemsOf({ issuer: berth.url })).toMatchObject([{ path: ["issuer"] }]);
    expect(
      await problemsOf({ issuer: `${berth.url}/x`, jwks_uri: `${berth.url}/.well-known/jwks.json` }),
    ).toMatchObject([{ path: ["issuer"] }, { path: ["jwks_uri"] }]);
  });

  it("hold certificates that can be read, and no private key", async () => {
    const { certificate, issue } = await createCertificateAuthority();
    const { key } = await issue("ci.example");
    for (const [pem, message] of [
      [key, /private key/],
      [certificate + key, /private key/],
      ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", /\S/],
      [`${certificate}trailing`, /PEM/],
    ] as const) {
      expect(await problemsOf({ ca_pem: pem }), pem).toEqual([
        { path: ["ca_pem"], message: expect.stringMatching(message) },
      ]);
    }
    expect(JSON.stringify(await problemsOf({ ca_pem: key }))).not.toContain(key.slice(40, 80));
    expect((await register(berth, string, { ca_pem: certificate + certificate, disabled: true })).ca_pem).toBe(
      certificate + certificate,
    );
  });

  it("do not include its string: another string is another issuer", async () => {
    const { id } = await register(berth, "https://stays.example", { disabled: true });
    expectProblem(await berth.api("PATCH", `/issuers/${id}`, { issuer: "https://goes.example" }), 400, "invalid");
  });
});

function rocaJwk() {
  const { kty, n, e } = makeRocaKey().export({ format: "jwk" });
  return { kty, n, e };
}
