import { X509Certificate } from "node:crypto";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import type { Reach } from "../suite.ts";
import { ask, good, login, makeRobot, manage } from "../target.ts";

export function wellKnownClauses(reach: Reach): void {
  describe("what anybody can find out", () => {
    it("is the metadata (RFC 8414, OpenID Connect Discovery), with the audience to ask for", async () => {
      const target = reach();
      const { publicUrl } = target;
      const metadata = await good(ask(target, "GET", "/.well-known/openid-configuration"));
      expect(metadata).toMatchObject({
        issuer: publicUrl,
        token_endpoint: `${publicUrl}/oauth2/token`,
        revocation_endpoint: `${publicUrl}/oauth2/revoke`,
        jwks_uri: `${publicUrl}/.well-known/jwks.json`,
        grant_types_supported: ["urn:ietf:params:oauth:grant-type:token-exchange"],
        berth_audience: publicUrl,
      });
      expect(await good(ask(target, "GET", "/.well-known/oauth-authorization-server"))).toEqual(metadata);
    });

    it("is the keys of robot tokens, public halves alone", async () => {
      const target = reach();
      const keys = await good(ask(target, "GET", "/.well-known/jwks.json"));
      for (const key of keys.keys) {
        expect(key).toMatchObject({ kty: "EC", crv: "P-256", use: "sig", alg: "ES256", kid: expect.any(String) });
        expect(key).not.toHaveProperty("d");
      }
      const robot = await makeRobot(target);
      const { payload } = await jwtVerify(await robot.token(), createLocalJWKSet(keys), {
        issuer: target.publicUrl,
        audience: `${target.publicUrl}/v2/auth`,
        typ: "berth-robot+jwt",
      });
      expect(payload.sub).toBe(robot.name);
    });

    it("is the authorities whose certificates registry tokens bring", async () => {
      const target = reach();
      const { host } = new URL(target.publicUrl);
      const pem: string = await good(ask(target, "GET", `/registries/${encodeURIComponent(host)}/certs.pem`));
      const parts = pem.match(/-----BEGIN.+?-----END CERTIFICATE-----/gs) ?? [];
      const authorities = parts.map((one) => new X509Certificate(one));

      const robot = await makeRobot(target);
      const { token } = await good(login(target, robot.name, await robot.token()));
      const [leaf = ""] = decodeProtectedHeader(token).x5c ?? [];
      const signer = new X509Certificate(Buffer.from(leaf, "base64"));
      expect(authorities.some(({ publicKey }) => signer.verify(publicKey))).toBe(true);
      const { payload } = await jwtVerify(token, signer.publicKey, { issuer: target.publicUrl, audience: host });
      expect(payload.sub).toBe(robot.name);
      expect((await ask(target, "GET", "/registries/nothing.example/certs.pem")).status).toBe(404);
    });

    it("is the keys of a registry that finds them by name", async () => {
      const target = reach();
      const service = "named.example:5000";
      await good(manage(target, "POST", "/registries", { service, key_profile: "kid" }));
      const path = `/registries/${encodeURIComponent(service)}`;
      const keys = createLocalJWKSet(await good(ask(target, "GET", `${path}/jwks.json`)));
      const robot = await makeRobot(target);
      const { token } = await good(login(target, robot.name, await robot.token(), `service=${service}`));
      const { payload } = await jwtVerify(token, keys, { issuer: target.publicUrl, audience: service });
      expect(payload.sub).toBe(robot.name);
    });

    it("is the API's description, of the paths that it serves, and a page of it without a script", async () => {
      const target = reach();
      const description = await good(ask(target, "GET", "/openapi.json"));
      expect(description.openapi).toMatch(/^3\./);
      expect(Object.keys(description.paths)).toContain("/api/v1/organization/{org}/robots/{robot}/federation");
      const { status, headers, body } = await ask(target, "GET", "/docs");
      expect([status, headers.get("content-type")?.toLowerCase()]).toEqual([200, "text/html; charset=utf-8"]);
      expect(body).not.toContain("<script");
    });

    it("is whether it lives, and whether it can do its work", async () => {
      const target = reach();
      expect(await good(ask(target, "GET", "/healthz"))).toEqual({ status: "ok" });
      expect(await good(ask(target, "GET", "/readyz"))).toEqual({ status: "ready" });
    });
  });
}
