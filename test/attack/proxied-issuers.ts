import type { ServerResponse } from "node:http";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { expect } from "vitest";
import type { Environment } from "../../src/environment.ts";
import { type ApiAnswer, startBerth, type TestBerth } from "../support/berth.ts";
import { createCertificateAuthority } from "../support/certificate-authority.ts";
import { startIssuer, subject } from "../support/issuer.ts";
import { type FakeProxy, startFakeProxy } from "../support/proxy.ts";
import { expectRefusal, expectRefusalRecord } from "../support/refusals.ts";
import { startTlsServer } from "../support/tls-server.ts";

/** The host at which every issuer here may publish its keys. */
export const keysUrl = "https://keys.ci.example/jwks";

/**
 * The service as it runs in production, with nothing insecure allowed, behind a forward proxy, and issuers
 * below `ci.example` that only the proxy can reach.
 */
export interface ProxiedIssuers {
  readonly berth: TestBerth;
  readonly proxy: FakeProxy;
  /** An issuer with a robot that trusts it. `describe` gives its discovery document, in place of a good one. */
  bind(describe?: (issuer: string) => unknown): Promise<ProxiedIssuer>;
  /** A robot that is to trust an issuer at any other address. */
  bindTo(issuer: string): Promise<ProxiedIssuer>;
  close(): Promise<void>;
}

export interface ProxiedIssuer {
  readonly issuer: string;
  readonly host: string;
  /** What the management API said to the binding. */
  readonly bound: ApiAnswer;
  exchange(): Promise<ApiAnswer>;
  /** Checks that a token is refused as an outage, with one record, and gives the record's detail. */
  expectOutage(code: RegExp): Promise<string>;
}

export async function openProxiedIssuers(environment: Environment): Promise<ProxiedIssuers> {
  const authority = await createCertificateAuthority();
  const roots = getCACertificates("default");
  setDefaultCACertificates([authority.certificate]);
  const signer = await startIssuer();
  const keys = await (await fetch(`${signer.url}/jwks`)).json();
  const documents = new Map<string, unknown>();
  const server = await startTlsServer(await authority.issue("*.ci.example"), ({ headers, url }, response) => {
    sendJson(response, url === "/jwks" ? keys : documents.get(headers.host ?? ""));
  });
  const proxy = await startFakeProxy(() => server.port);
  const berth = await startBerth({
    environment: {
      BERTH_ALLOW_INSECURE_ISSUERS: "false",
      BERTH_RATE_LIMITS: "off",
      HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`,
      ...environment,
    },
  });
  let serial = 0;

  const issuers: ProxiedIssuers = {
    berth,
    proxy,
    bind(describe = (issuer) => ({ issuer, jwks_uri: keysUrl })) {
      const host = `i${serial + 1}.ci.example`;
      const issuer = `https://${host}`;
      documents.set(host, describe(issuer));
      return issuers.bindTo(issuer);
    },
    async bindTo(issuer) {
      serial += 1;
      const organization = `org-${serial}`;
      await berth.createRobot(`${organization}+ci`);
      const path = `/organization/${organization}/robots/ci/federation`;
      const bound = await berth.api("POST", path, [{ issuer, subject }]);
      const one: ProxiedIssuer = {
        issuer,
        host: new URL(issuer).host,
        bound,
        async exchange() {
          const now = Math.floor(berth.clock.now() / 1000);
          const claims = { iss: issuer, iat: now, nbf: now, exp: now + 300 };
          return berth.exchange(`${organization}+ci`, await signer.sign(berth.url, claims));
        },
        async expectOutage(code) {
          const answer = await one.exchange();
          expectRefusal(answer, 503, expect.stringMatching(code) as never);
          const record = await expectRefusalRecord(berth, answer, answer.body.code);
          return record.metadata.reason.detail;
        },
      };
      return one;
    },
    async close() {
      setDefaultCACertificates(roots);
      await berth.remove();
      await Promise.all([signer, server, proxy].map((one) => one.close()));
    },
  };
  return issuers;
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.writeHead(body === undefined ? 404 : 200, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
