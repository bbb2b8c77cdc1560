import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { readConfig } from "../../src/config.ts";
import { IssuerFetchError, safeFetch } from "../../src/oidc/safe-fetch.ts";
import { createIssuerFetch } from "../../src/ports/node/issuer-fetch.ts";
import {
  aroundNow,
  type CertificateAuthority,
  createCertificateAuthority,
  yesterday,
} from "../support/certificate-authority.ts";
import { pour } from "../support/pour.ts";
import { startFakeProxy } from "../support/proxy.ts";
import { startTlsServer, type TlsServer } from "../support/tls-server.ts";

let authority: CertificateAuthority;
let other: CertificateAuthority;
let server: TlsServer | undefined;

beforeAll(async () => {
  [authority, other] = [await createCertificateAuthority(), await createCertificateAuthority()];
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await server?.close();
  server = undefined;
});

const toLoopback = async () => [{ address: "127.0.0.1", family: 4 }];
const policy = (ca?: string) => ({ allowHttp: false, allowLocal: true, ...(ca !== undefined && { ca }) });

function get(port: number, ca: string | undefined, host = "ci.example") {
  const fetch = createIssuerFetch(host === "ci.example" ? { lookup: toLoopback } : {});
  return safeFetch(fetch, `https://${host}:${port}/`, policy(ca), AbortSignal.timeout(5000));
}

describe("an issuer with a certificate authority of its own", () => {
  it("is trusted by it, with the name in SNI and in Host", async () => {
    server = await startTlsServer(await authority.issue("ci.example"));
    expect((await get(server.port, authority.certificate)).status).toBe(200);
    expect(server.serverNames).toEqual(["ci.example"]);
    expect(server.hosts).toEqual([`ci.example:${server.port}`]);
  });

  it("may be an address, which is then in the certificate", async () => {
    server = await startTlsServer(await authority.issue("127.0.0.1"));
    expect((await get(server.port, authority.certificate, "127.0.0.1")).status).toBe(200);
    expect(server.serverNames).toEqual([false]);
  });

  it("may bring several authorities", async () => {
    const further = await createCertificateAuthority("Further CA");
    server = await startTlsServer(await authority.issue("ci.example"));
    expect((await get(server.port, `${further.certificate}\n${authority.certificate}\n`)).status).toBe(200);
  });

  it.each<[string, () => string | undefined, string, string]>([
    ["by the platform's roots", () => undefined, "ci.example", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    ["by another authority of the same name", () => other.certificate, "ci.example", "certificate|SIGNATURE|VERIFY"],
    ["for another name", () => authority.certificate, "evil.example", "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["for a name below it", () => authority.certificate, "www.ci.example", "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["for the address that the name leads to", () => authority.certificate, "127.0.0.1", "ALTNAME_INVALID"],
  ])("is not trusted %s", async (_, ca, name, reason) => {
    server = await startTlsServer(await authority.issue(name));
    const fetched = get(server.port, ca());
    await expect(fetched).rejects.toThrow(IssuerFetchError);
    await expect(fetched).rejects.toThrow(new RegExp(reason));
    expect(server.hosts).toEqual([]);
  });

  it("is not trusted with a certificate that has expired, or is not good yet", async () => {
    const tomorrow = { notBefore: aroundNow().notAfter, notAfter: new Date(aroundNow().notAfter.getTime() + 1000) };
    for (const [validity, reason] of [
      [yesterday(), "CERT_HAS_EXPIRED"],
      [tomorrow, "CERT_NOT_YET_VALID"],
    ] as const) {
      const old = await startTlsServer(await authority.issue("ci.example", validity));
      await expect(get(old.port, authority.certificate)).rejects.toThrow(new RegExp(reason));
      expect(old.hosts).toEqual([]);
      await old.close();
    }
  });

  it("fails alone where its authority is no certificate", async () => {
    server = await startTlsServer(await authority.issue("ci.example"));
    await expect(get(server.port, "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")).rejects.toThrow(
      IssuerFetchError,
    );
  });

  it("is checked though a variable of the process says that nobody is", async () => {
    vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    server = await startTlsServer(await authority.issue("ci.example"));
    await expect(get(server.port, other.certificate)).rejects.toThrow(IssuerFetchError);
    expect(server.hosts).toEqual([]);
  });

  it.each(["TLSv1", "TLSv1.1"] as const)("is not spoken to by %s", async (version) => {
    const weak = { minVersion: version, maxVersion: version, ciphers: "DEFAULT@SECLEVEL=0" };
    server = await startTlsServer({ ...(await authority.issue("ci.example")), ...weak });
    await expect(get(server.port, authority.certificate)).rejects.toThrow(/PROTOCOL_VERSION/);
    expect(server.serverNames).toEqual([]);
  });

  it.each(["TLSv1.2", "TLSv1.3"] as const)("is spoken to by %s", async (version) => {
    const only = { minVersion: version, maxVersion: version };
    server = await startTlsServer({ ...(await authority.issue("ci.example")), ...only });
    expect((await get(server.port, authority.certificate)).status).toBe(200);
  });
});

describe("an answer without end, of which nothing is body,", () => {
  it.each([
    ["directly", false],
    ["through a proxy", true],
  ])("is cut off %s", async (_, proxied) => {
    let sent = () => 0;
    server = await startTlsServer(await authority.issue("ci.example"), ({ socket }) => {
      sent = () => socket.bytesWritten;
      socket.write("HTTP/1.1 200 ");
      pour(socket, "x".repeat(65536));
    });
    const { port } = server;
    const proxy = await startFakeProxy(() => port);
    const { proxy: settings } = readConfig({ HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` }, () => "");
    const fetch = createIssuerFetch({ lookup: toLoopback, ...(proxied && { proxy: settings }) });
    const url = `https://ci.example:${port}/`;
    await expect(safeFetch(fetch, url, policy(authority.certificate), AbortSignal.timeout(5000))).rejects.toThrow(
      /without end/,
    );
    expect(sent()).toBeLessThan(32 * 1024 * 1024);
    expect(proxy.requests()).toHaveLength(proxied ? 1 : 0);
    await proxy.close();
  });
});
