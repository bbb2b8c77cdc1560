import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createCertificateAuthority } from "../support/certificate-authority.ts";
import { type PrivateIssuer, startPrivateIssuer } from "./private-issuer.ts";

let one: PrivateIssuer;
beforeAll(async () => {
  one = await startPrivateIssuer();
});
afterAll(() => one.close());

const ours = () => ({ allow_private_network: true, ca_pem: one.authority });

describe("an issuer on a private network", () => {
  it("is reached by leave, and trusted by its own authority", async () => {
    expect(await (await one.register(ours())).exchange()).toBe("granted");
  });

  it("is not reached without leave, whatever its authority", async () => {
    const before = one.server.serverNames.length;
    const { exchange } = await one.register({ ca_pem: one.authority });
    expect(await exchange()).toMatch(/^503 issuer_unreachable: .*not public/);
    expect(one.server.serverNames).toHaveLength(before);
  });

  it("is not trusted by the platform's roots, nor by another's authority", async () => {
    const { certificate } = await createCertificateAuthority("Another CA");
    for (const settings of [{}, { ca_pem: certificate }]) {
      const before = one.server.hosts.length;
      const { exchange } = await one.register({ allow_private_network: true, ...settings });
      expect(await exchange()).toMatch(/^503 issuer_unreachable: .*(VERIFY|SIGNATURE)/);
      expect(one.server.hosts).toHaveLength(before);
    }
  });

  it("is cut off the moment leave is taken back", async () => {
    const { change, exchange } = await one.register(ours());
    expect(await exchange()).toBe("granted");
    expect((await change({ allow_private_network: false })).status).toBe(200);
    expect(await exchange()).toMatch(/^503 issuer_unreachable: .*not public/);
  });

  it("may say where its keys are in place of its document, under the same rules", async () => {
    expect(await (await one.register({ ...ours(), jwks_uri: `${one.issuer}/jwks` })).exchange()).toBe("granted");
    const { exchange } = await one.register({ jwks_uri: `${one.issuer}/jwks`, ca_pem: one.authority });
    expect(await exchange()).toMatch(/^503 issuer_unreachable: .*not public/);
  });

  it("leads nobody to a link-local address, whatever leave it has", async () => {
    one.jwksUri = "https://169.254.169.254/jwks";
    expect(await (await one.register(ours())).exchange()).toMatch(/^503 issuer_unreachable: .*not public/);
    one.jwksUri = `${one.issuer}/jwks`;
  });
});
