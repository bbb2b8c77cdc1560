import type { Environment } from "../../src/environment.ts";
import { type ApiAnswer, startBerth, type TestBerth } from "../support/berth.ts";
import { createCertificateAuthority } from "../support/certificate-authority.ts";
import { startIssuer, subject } from "../support/issuer.ts";
import { recordsOf } from "../support/refusals.ts";
import { startTlsServer, type TlsServer } from "../support/tls-server.ts";

/**
 * An issuer on `localhost` with a certificate authority of its own, as an on-premises cluster is, and the
 * service with nothing insecure allowed.
 */
export interface PrivateIssuer {
  readonly berth: TestBerth;
  readonly server: TlsServer;
  readonly issuer: string;
  /** PEM. */
  readonly authority: string;
  /** The address of its keys, as its document gives it from now on; at first, the right one. */
  jwksUri: string;
  /** Registers it with these settings, and binds a robot to it. */
  register(settings: Readonly<Record<string, unknown>>): Promise<RegisteredIssuer>;
  close(): Promise<void>;
}

export interface RegisteredIssuer {
  change(settings: Readonly<Record<string, unknown>>): Promise<ApiAnswer>;
  /** `granted`, or the status, the code and the reason in the audit log. */
  exchange(): Promise<string>;
}

export async function startPrivateIssuer(environment: Environment = {}): Promise<PrivateIssuer> {
  const authority = await createCertificateAuthority();
  const signer = await startIssuer();
  const keys = await (await fetch(`${signer.url}/jwks`)).json();
  const server = await startTlsServer(await authority.issue("localhost"), ({ url }, response) => {
    const body = url === "/jwks" ? keys : { issuer, jwks_uri: one.jwksUri };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  const issuer = `https://localhost:${server.port}`;
  const berth = await startBerth({ environment: { BERTH_ALLOW_INSECURE_ISSUERS: "false", ...environment } });
  let serial = 0;
  const one: PrivateIssuer = {
    berth,
    server,
    issuer,
    authority: authority.certificate,
    jwksUri: `${issuer}/jwks`,
    async register(settings) {
      const { status, body } = await berth.api("POST", "/issuers", { issuer, ...settings });
      if (status !== 201) throw new Error(JSON.stringify(body));
      serial += 1;
      const robot = `org-${serial}+ci`;
      await berth.createRobot(robot, { federation: [{ issuer, issuer_id: body.id, subject }] });
      return {
        change: (changes) => berth.api("PATCH", `/issuers/${body.id}`, changes),
        async exchange() {
          const answer = await berth.exchange(robot, await signer.sign(berth.url, { iss: issuer }));
          const [{ code, metadata }] = await recordsOf(berth, answer);
          return code === "granted" ? code : `${answer.status} ${code}: ${metadata.reason.detail}`;
        },
      };
    },
    async close() {
      await berth.remove();
      await server.close();
      await signer.close();
    },
  };
  return one;
}
