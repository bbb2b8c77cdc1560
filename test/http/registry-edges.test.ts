import { createPublicKey, X509Certificate } from "node:crypto";
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, errors, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { askRegistryToken } from "../support/refusals.ts";

let berth: TestBerth;
let issuer: TestIssuer;
let robotToken: string;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  const settings = { service: "kid.example:5000", key_profile: "kid", token_ttl: 120, issuer: "The old server" };
  expect((await berth.api("POST", "/registries", settings)).status).toBe(201);
  await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
  robotToken = (await berth.exchange("acme+ci", await issuer.sign(berth.url))).body.token;
});

afterAll(() => Promise.all([berth.remove(), issuer.close()]));

function expectError(answer: ApiAnswer, status: number, code: string): void {
  expect(answer.body).toEqual({
    errors: [{ code, message: expect.stringMatching(/^[A-Z].*\.$/s), detail: expect.anything() }],
  });
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
}

const tokenPaths = ["/v2/auth", "/v2/auth/", "/auth", "/auth/", "/auth/token", "/auth/token/"];

describe.each(tokenPaths)("the path %s", (path) => {
  it.each(["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])(
    "does not take %s, and says what it takes",
    async (method) => {
      const answer = await call(berth.url + path, { method });
      expectError(answer, 405, "UNSUPPORTED");
      expect(answer.headers.get("allow")).toBe("GET, HEAD, POST");
    },
  );

  it("takes GET and POST, and redirects nobody", async () => {
    const headers = { authorization: basic("acme+ci", robotToken) };
    for (const method of ["GET", "HEAD", "POST"]) {
      const response = await fetch(berth.url + path, { method, headers, redirect: "manual" });
      expect(response.status).toBe(200);
    }
  });
});

describe("a body", () => {
  const send = (body: string, headers: Record<string, string>) =>
    call(`${berth.url}/v2/auth`, { method: "POST", headers, body });
  const form = () =>
    new URLSearchParams({ grant_type: "password", username: "acme+ci", password: robotToken }).toString();

  it.each([
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded;charset=UTF-8",
    "Application/X-WWW-Form-Urlencoded ; Charset=utf-8",
  ])("of the type %s is read", async (type) => {
    expect((await send(form(), { "content-type": type })).status).toBe(200);
  });

  it.each(["application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencodedx"])(
    "of the type %s is refused in JSON",
    async (type) => {
      expectError(await send(form(), { "content-type": type }), 400, "UNSUPPORTED");
    },
  );

  it.each([
    "\u0000",
    "%",
    "&&&",
    "=",
    "grant_type",
    "grant_type=password&grant_type=refresh_token",
    "\ud800",
    "{}",
    "<a/>",
  ])("of %j is refused in JSON", async (body) => {
    expectError(await send(body, { "content-type": "application/x-www-form-urlencoded" }), 401, "UNAUTHORIZED");
  });

  it("of more than 64 KiB is refused in JSON, whether it says so or not", async () => {
    const long = `${form()}&x=${"x".repeat(65 * 1024)}`;
    expectError(await send(long, { "content-type": "application/x-www-form-urlencoded" }), 413, "UNSUPPORTED");
    const streamed = await call(`${berth.url}/v2/auth`, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new Blob([long]).stream(),
      duplex: "half",
    } as RequestInit);
    expectError(streamed, 413, "UNSUPPORTED");
  });

  it("may be as long as a token of 16 KiB is in a header", async () => {
    const answer = await askRegistryToken(berth, "", ["acme+ci", "x".repeat(16 * 1024)]);
    expectError(answer, 401, "UNAUTHORIZED");
  });
});

describe("a registry token", () => {
  const issue = (service: string) =>
    askRegistryToken(berth, `service=${encodeURIComponent(service)}`, ["acme+ci", robotToken]);
  const registryPath = (service: string) => `${berth.url}/registries/${encodeURIComponent(service)}`;
  const claimsText = (token: string) => Buffer.from(token.split(".")[1] ?? "", "base64url").toString();

  it("has one audience in its text, robotToken seconds, and begins 30 seconds ago", async () => {
    for (const [service, iss, ttl] of [
      [berth.host, berth.url, 900],
      ["kid.example:5000", "The old server", 120],
    ] as const) {
      const { token, issued_at, expires_in } = (await issue(service)).body;
      const issuedAt = Date.parse(issued_at) / 1000;
      const text = claimsText(token);
      expect(text).toContain(`"aud":${JSON.stringify(service)}`);
      for (const claim of ["iat", "nbf", "exp"]) expect(text).toMatch(new RegExp(`"${claim}":[0-9]+[,}]`));
      const times = { iat: issuedAt - 30, nbf: issuedAt - 30, exp: issuedAt + ttl };
      expect(decodeJwt(token)).toMatchObject({ iss, sub: "acme+ci", jti: expect.stringMatching(/./), ...times });
      expect(expires_in).toBe(ttl);
    }
  });

  it("of the x5c profile brings its certificate, which the exported authority issued, and no other key", async () => {
    const { token } = (await issue(berth.host)).body;
    const header = decodeProtectedHeader(token);
    expect(Object.keys(header).sort()).toEqual(["alg", "typ", "x5c"]);
    expect(header.alg).toBe("ES256");
    const leaf = new X509Certificate(Buffer.from(header.x5c?.[0] ?? "", "base64"));
    const exported: string = (await call(`${registryPath(berth.host)}/certs.pem`)).body;
    const authorities = exported.split(/(?<=-----END CERTIFICATE-----\n)/).map((pem) => new X509Certificate(pem));
    expect(authorities).toHaveLength(2);
    expect(authorities.filter(({ publicKey }) => leaf.verify(publicKey))).toHaveLength(1);
    expect(exported).not.toContain(leaf.toString());
    expect((await call(`${registryPath(berth.host)}/jwks.json`)).body).toEqual({ keys: [] });
    await expect(jwtVerify(token, leaf.publicKey)).resolves.toBeTruthy();
  });

  it("of the kid profile names its key as the exported JWKS does, whose certificate is exported too", async () => {
    const { token } = (await issue("kid.example:5000")).body;
    const header = decodeProtectedHeader(token);
    expect(Object.keys(header).sort()).toEqual(["alg", "kid", "typ"]);
    expect(header.kid).toMatch(/^([A-Z2-7]{4}:){11}[A-Z2-7]{4}$/);
    const { body: jwks } = await call(`${registryPath("kid.example:5000")}/jwks.json`);
    expect(jwks.keys).toHaveLength(2);
    for (const key of jwks.keys) expect(Object.keys(key)).not.toContain("d");
    await expect(jwtVerify(token, createLocalJWKSet(jwks))).resolves.toBeTruthy();
    const exported: string = (await call(`${registryPath("kid.example:5000")}/certs.pem`)).body;
    const [first] = exported.split(/(?<=-----END CERTIFICATE-----\n)/).map((pem) => new X509Certificate(pem));
    expect(first?.publicKey.equals(createPublicKey({ key: jwks.keys[0], format: "jwk" }))).toBe(true);
    await expect(jwtVerify(token, first?.publicKey as never)).resolves.toBeTruthy();
  });

  it("is signed with a key of its own registry's", async () => {
    const [one, other] = [(await issue(berth.host)).body.token, (await issue("kid.example:5000")).body.token];
    const leaf = new X509Certificate(Buffer.from(decodeProtectedHeader(one).x5c?.[0] ?? "", "base64"));
    await expect(jwtVerify(other, leaf.publicKey)).rejects.toBeInstanceOf(errors.JWSSignatureVerificationFailed);
    const base = (token: string) => call(`${berth.url}/v2/`, { headers: { authorization: `Bearer ${token}` } });
    expect([(await base(one)).status, (await base(other)).status]).toEqual([200, 401]);
  });
});
