import type { LookupAddress } from "node:dns";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readConfig } from "../../src/config.ts";
import { safeFetch } from "../../src/oidc/safe-fetch.ts";
import { createIssuerFetch } from "../../src/ports/node/issuer-fetch.ts";
import { type CertificateAuthority, createCertificateAuthority } from "../support/certificate-authority.ts";
import { startTinyproxy, type TestProxy } from "../support/proxy.ts";
import { describeWith } from "../support/requirements.ts";
import { startTlsServer, type TlsServer } from "../support/tls-server.ts";

describeWith(["tinyproxy"], "a forward proxy as it is installed", () => {
  let authority: CertificateAuthority;
  let server: TlsServer;
  let proxy: TestProxy;

  beforeAll(async () => {
    authority = await createCertificateAuthority();
    server = await startTlsServer(await authority.issue("ci.example"));
    proxy = await startTinyproxy({ user: "berth", password: "hunter2", allowedPort: server.port });
  });

  afterAll(async () => {
    await proxy?.close();
    await server?.close();
  });

  /** Fetches `host` where it resolves to `address`, and tells what the proxy was asked for by that. */
  async function get(host: string, address: string, { allowLocal = true, userinfo = "berth:hunter2@", port = 0 } = {}) {
    const { proxy: settings } = readConfig({ HTTPS_PROXY: `http://${userinfo}127.0.0.1:${proxy.port}` }, () => "");
    const lookup = async (): Promise<LookupAddress[]> => [{ address, family: 4 }];
    const policy = { allowHttp: false, allowLocal, ca: authority.certificate };
    const url = `https://${host}:${port || server.port}/`;
    const before = proxy.requests().length;
    const outcome = await safeFetch(
      createIssuerFetch({ proxy: settings, lookup }),
      url,
      policy,
      AbortSignal.timeout(5000),
    ).then(
      ({ status }) => status,
      (error: Error) => error.message,
    );
    return { outcome, requests: proxy.requests().slice(before) };
  }

  it("sees CONNECT to the vetted address, and carries the connection", async () => {
    const connect = `CONNECT 127.0.0.1:${server.port}`;
    expect(await get("ci.example", "127.0.0.1")).toEqual({ outcome: 200, requests: [connect] });
    expect(server.serverNames).toEqual(["ci.example"]);
    expect(server.hosts).toEqual([`ci.example:${server.port}`]);
  });

  it("never hears of a name that leads to an address that is not allowed", async () => {
    for (const [host, address] of [
      ["ci.example", "127.0.0.1"],
      ["ci.example", "10.0.0.1"],
      ["ci.example", "169.254.169.254"],
      ["169.254.169.254", "1.1.1.1"],
      ["localhost", "1.1.1.1"],
    ] as const) {
      const { outcome, requests } = await get(host, address, { allowLocal: false });
      expect(outcome).toContain("not public");
      expect(requests).toEqual([]);
    }
  });

  it("never hears of a link-local address, whatever is allowed", async () => {
    const { outcome, requests } = await get("ci.example", "169.254.169.254");
    expect(outcome).toContain("not public");
    expect(requests).toEqual([]);
  });

  it("wants credentials, and its refusal is told", async () => {
    for (const userinfo of ["", "berth:wrong@"]) {
      const { outcome } = await get("ci.example", "127.0.0.1", { userinfo });
      expect(outcome).toMatch(/the forward proxy answers CONNECT 127\.0\.0\.1:[0-9]+ with status 40[17]/);
      expect(outcome).not.toContain("wrong");
    }
  });

  it("may refuse a port, and its refusal is told", async () => {
    const { outcome } = await get("ci.example", "127.0.0.1", { port: 25 });
    expect(outcome).toMatch(/the forward proxy answers CONNECT 127\.0\.0\.1:25 with status 403/);
  });
});
