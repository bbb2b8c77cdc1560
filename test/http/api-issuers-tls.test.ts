import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { type CertificateAuthority, createCertificateAuthority } from "../support/certificate-authority.ts";
import { subject } from "../support/issuer.ts";
import { makeRobot, register } from "../support/issuers.ts";
import { expectRefusal, expectRefusalRecord } from "../support/refusals.ts";
import { createSigner, type Signer } from "../support/signer.ts";
import { startTlsServer, type TlsServer } from "../support/tls-server.ts";

let berth: TestBerth;
let authority: CertificateAuthority;
let server: TlsServer;
let signer: Signer;
let issuer: string;

beforeAll(async () => {
  berth = await startBerth({ environment: { BERTH_ALLOW_INSECURE_ISSUERS: "false" } });
  authority = await createCertificateAuthority();
  server = await startTlsServer(await authority.issue("127.0.0.1"), (request, response) => {
    const document = { issuer, jwks_uri: `${issuer}/jwks`, response_types_supported: ["id_token"] };
    const body = request.url === "/jwks" ? { keys: [signer.jwk] } : document;
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  issuer = `https://127.0.0.1:${server.port}`;
  signer = await createSigner(issuer);
});

afterAll(async () => {
  await Promise.all([berth.remove(), server.close()]);
});

describe("an issuer on a private network with a CA of its own", () => {
  it("is trusted where it was registered with both", async () => {
    const settings = { ca_pem: authority.certificate, allow_private_network: true };
    const { id, warnings } = await register(berth, issuer, settings);
    expect(warnings).toEqual([]);
    const robot = await makeRobot(berth, { issuer, issuer_id: id, subject });
    expect((await robot.exchange(await signer.sign(berth.url))).status).toBe(200);
  });

  it.each<[string, () => object | Promise<object>, boolean]>([
    ["without leave to be on a private network", () => ({ ca_pem: authority.certificate }), false],
    ["without its CA", () => ({ allow_private_network: true }), true],
    [
      "with the CA of another",
      async () => ({ ca_pem: (await createCertificateAuthority()).certificate, allow_private_network: true }),
      true,
    ],
    ["with neither", () => ({}), false],
  ])("%s is not asked for keys, and a warning says why", async (_, settings, connects) => {
    const asked = server.hosts.length;
    const connected = server.serverNames.length;
    const { id, warnings } = await register(berth, issuer, await settings());
    expect(warnings[0]).toMatch(/cannot be used right now/);
    const robot = await makeRobot(berth, { issuer, issuer_id: id, subject });
    const refused = await robot.exchange(await signer.sign(berth.url));
    expectRefusal(refused, 503, "issuer_unreachable");
    await expectRefusalRecord(berth, refused, "issuer_unreachable");
    expect((await robot.bindings())[0].warnings).toEqual([expect.stringMatching(/cannot be used right now/)]);
    expect(server.hosts).toHaveLength(asked);
    if (!connects) expect(server.serverNames).toHaveLength(connected);
  });

  it("lends its leave to no other issuer of the same string", async () => {
    await register(berth, issuer, { ca_pem: authority.certificate, allow_private_network: true });
    const { id } = await register(berth, issuer);
    const robot = await makeRobot(berth, { issuer, issuer_id: id, subject });
    expectRefusal(await robot.exchange(await signer.sign(berth.url)), 503, "issuer_unreachable");
  });
});
