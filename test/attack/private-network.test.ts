import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { type CertificateAuthority, createCertificateAuthority } from "../support/certificate-authority.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { recordsOf } from "../support/refusals.ts";
import { startTlsServer, type TlsServer } from "../support/tls-server.ts";

/** An issuer of one's own network, with an authority of its own, as an on-premises cluster is. */
let berth: TestBerth;
let authority: CertificateAuthority;
let server: TlsServer;
let signer: TestIssuer;
let issuer = "";
let jwksUri = "";

beforeAll(async () => {
  authority = await createCertificateAuthority();
  signer = await startIssuer();
  const keys = await (await fetch(`${signer.url}/jwks`)).json();
  server = await startTlsServer(await authority.issue("localhost"), ({ url }, response) => {
    const body = url === "/jwks" ? keys : { issuer, jwks_uri: jwksUri };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  issuer = `https://localhost:${server.port}`;
  jwksUri = `${issuer}/jwks`;
  berth = await startBerth({ environment: { BERTH_ALLOW_INSECURE_ISSUERS: "false" } });
});

afterAll(async () => {
  await berth.remove();
  await server.close();
  await signer.close();
});

let serial = 0;

/** Registers the issuer with these settings and binds a robot to it. */
async function register(settings: Record<string, unknown>) {
  const registered = await berth.api("POST", "/issuers", { issuer, ...settings });
  expect(registered.status).toBe(201);
  const { id } = registered.body;
  serial += 1;
  const robot = `org-${serial}+ci`;
  await berth.createRobot(robot, { federation: [{ issuer, issuer_id: id, subject }] });
  return {
    change: (changes: Record<string, unknown>) => berth.api("PATCH", `/issuers/${id}`, changes),
    /** `granted`, or why not. */
    async exchange(): Promise<string> {
      const answer = await berth.exchange(robot, await signer.sign(berth.url, { iss: issuer }));
      const [{ code, metadata }] = await recordsOf(berth, answer);
      return code === "granted" ? code : `${answer.status} ${code}: ${metadata.reason.detail}`;
    },
  };
}

const ours = () => ({ allow_private_network: true, ca_pem: authority.certificate });

describe("an issuer on a private network", () => {
  it("is reached by leave, and trusted by its own authority", async () => {
    expect(await (await register(ours())).exchange()).toBe("granted");
  });

  it("is not reached without leave, whatever its authority", async () => {
    const before = server.serverNames.length;
    const { exchange } = await register({ ca_pem: authority.certificate });
    expect(await exchange()).toMatch(/^503 issuer_unreachable: .*not public/);
    expect(server.serverNames).toHaveLength(before);
  });

  it("is not trusted by the platform's roots, nor by another's authority", async () => {
    const { certificate } = await createCertificateAuthority("Another CA");
    for (const settings of [{}, { ca_pem: certificate }]) {
      const before = server.hosts.length;
      const { exchange } = await register({ allow_private_network: true, ...settings });
      expect(await exchange()).toMatch(/^503 issuer_unreachable: .*(VERIFY|SIGNATURE)/);
      expect(server.hosts).toHaveLength(before);
    }
  });

  it("is cut off the moment leave is taken back", async () => {
    const { change, exchange } = await register(ours());
    expect(await exchange()).toBe("granted");
    expect((await change({ allow_private_network: false })).status).toBe(200);
    expect(await exchange()).toMatch(/^503 issuer_unreachable: .*not public/);
  });

  it("may say where its keys are in place of its document, under the same rules", async () => {
    expect(await (await register({ ...ours(), jwks_uri: `${issuer}/jwks` })).exchange()).toBe("granted");
    const { exchange } = await register({ jwks_uri: `${issuer}/jwks`, ca_pem: authority.certificate });
    expect(await exchange()).toMatch(/^503 issuer_unreachable: .*not public/);
  });

  it("leads nobody to a link-local address, whatever leave it has", async () => {
    jwksUri = "https://169.254.169.254/jwks";
    expect(await (await register(ours())).exchange()).toMatch(/^503 issuer_unreachable: .*not public/);
    jwksUri = `${issuer}/jwks`;
  });
});
