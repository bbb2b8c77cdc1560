import type { LookupAddress } from "node:dns";
import { type AddressInfo, createServer } from "node:net";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readConfig } from "../../src/config.ts";
import { type FetchPolicy, IssuerFetchError, safeFetch } from "../../src/oidc/safe-fetch.ts";
import { createIssuerFetch } from "../../src/ports/node/issuer-fetch.ts";
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type ServerCredential,
} from "../support/certificate-authority.ts";
import { freePort } from "../support/free-port.ts";
import { type FakeProxy, startFakeProxy } from "../support/proxy.ts";
import { startTlsServer, type TlsServer } from "../support/tls-server.ts";

let authority: CertificateAuthority;
let credential: ServerCredential;
let server: TlsServer;
let proxy: FakeProxy;

beforeAll(async () => {
  authority = await createCertificateAuthority();
  credential = await authority.issue("ci.example");
});

beforeEach(async () => {
  server = await startTlsServer(credential);
  proxy = await startFakeProxy(() => server.port);
});

afterEach(async () => {
  await proxy.close();
  await server.close();
});

interface Given {
  readonly url?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly addresses?: readonly string[];
  readonly policy?: Partial<FetchPolicy>;
  readonly milliseconds?: number;
}

const configure = (environment: Readonly<Record<string, string>>) =>
  readConfig({ HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, ...environment }, () => "");

/** Fetches by a fetch that is configured as the service is. */
function get({ url = "https://ci.example/", environment = {}, addresses = ["1.1.1.1"], ...given }: Given = {}) {
  const config = configure(environment);
  const lookup = async (): Promise<LookupAddress[]> =>
    addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  const policy = { allowHttp: false, allowLocal: false, ca: authority.certificate, ...given.policy };
  const signal = AbortSignal.timeout(given.milliseconds ?? 5000);
  return safeFetch(createIssuerFetch({ proxy: config.proxy, lookup }), url, policy, signal);
}

describe("a forward proxy", () => {
  it("is asked to connect to the vetted address, and never hears the name", async () => {
    const { status, body } = await get({ url: "https://ci.example/.well-known/openid-configuration" });
    expect([status, new TextDecoder().decode(body)]).toEqual([200, "{}"]);
    expect(proxy.requests()).toEqual(["CONNECT 1.1.1.1:443"]);
    expect(proxy.headers[0]).toMatchObject({ host: "1.1.1.1:443" });
    expect(JSON.stringify(proxy.headers)).not.toContain("ci.example");
  });

  it("carries a connection that is made for the name", async () => {
    await get({ url: "https://ci.example:8443/" });
    expect(proxy.requests()).toEqual(["CONNECT 1.1.1.1:8443"]);
    expect(server.serverNames).toEqual(["ci.example"]);
    expect(server.hosts).toEqual(["ci.example:8443"]);
  });

  it("cannot put another server in the issuer's place", async () => {
    const { certificate: ca } = await createCertificateAuthority("Another CA");
    await expect(get({ policy: { ca } })).rejects.toThrow(/UNABLE_TO_VERIFY|SIGNATURE/);
    await expect(get({ url: "https://other.example/" })).rejects.toThrow(/ALTNAME_INVALID/);
    expect(server.hosts).toEqual([]);
  });

  it("connects to an IPv6 address, and to a literal one", async () => {
    await get({ addresses: ["2606:4700::1111"] });
    await get({ url: "https://[2606:4700::1111]:8443/", addresses: ["2606:4700::1111"] }).catch(() => {});
    expect(proxy.requests()).toEqual(["CONNECT [2606:4700::1111]:443", "CONNECT [2606:4700::1111]:8443"]);
  });

  it.each([
    ["127.0.0.1"],
    ["10.0.0.1"],
    ["169.254.169.254"],
    ["::1"],
    ["::ffff:10.0.0.1"],
    ["1.1.1.1", "10.0.0.1"],
    ["0.0.0.0"],
    [],
  ])("never hears of a name that leads to %s %s", async (...addresses) => {
    await expect(get({ addresses })).rejects.toThrow(/not public/);
    expect(proxy.requests()).toEqual([]);
  });

  it("connects to a private address by leave, and to a link-local one never", async () => {
    const policy = { allowLocal: true };
    expect((await get({ addresses: ["10.0.0.1"], policy })).status).toBe(200);
    await expect(get({ addresses: ["169.254.169.254"], policy })).rejects.toThrow(/not public/);
    expect(proxy.requests()).toEqual(["CONNECT 10.0.0.1:443"]);
  });

  it("is no way for http, which development alone allows", async () => {
    const policy = { allowHttp: true, allowLocal: true };
    await expect(
      get({ url: `http://ci.example:${await freePort()}/`, addresses: ["127.0.0.1"], policy }),
    ).rejects.toThrow(/ECONNREFUSED/);
    expect(proxy.requests()).toEqual([]);
  });

  it("tries the next address where the proxy has no way to one, IPv4 first, and four at most", async () => {
    const closed = await startFakeProxy((asked) => (asked === "1.0.0.1:443" ? server.port : undefined));
    const environment = { HTTPS_PROXY: `http://127.0.0.1:${closed.port}` };
    expect((await get({ environment, addresses: ["2606:4700::1111", "1.1.1.1", "1.0.0.1"] })).status).toBe(200);
    expect(closed.requests()).toEqual(["CONNECT 1.1.1.1:443", "CONNECT 1.0.0.1:443"]);
    const many = Array.from({ length: 20 }, (_, index) => `8.8.8.${index}`);
    await expect(get({ environment, addresses: many })).rejects.toThrow(/status 502/);
    expect(closed.requests()).toHaveLength(2 + 4);
    await closed.close();
  });
});

describe("BERTH_PROXY_RESOLVES", () => {
  const environment = { BERTH_PROXY_RESOLVES: "true" };

  it("gives the proxy the name, and resolves nothing here", async () => {
    const lookedUp = { environment, addresses: ["10.0.0.1"] };
    expect((await get(lookedUp)).status).toBe(200);
    expect(proxy.requests()).toEqual(["CONNECT ci.example:443"]);
    expect(server.serverNames).toEqual(["ci.example"]);
  });

  it.each([
    "127.0.0.1",
    "2130706433",
    "0x7f.1",
    "169.254.169.254",
    "10.0.0.1",
    "[::1]",
    "[::ffff:a9fe:a9fe]",
    "[fd00::1]",
    "localhost",
    "LOCALHOST.",
    "api.localhost",
  ])("lets no literal through that is not public: %s", async (host) => {
    const url = `https://${host}/`;
    await expect(get({ url, environment })).rejects.toThrow(/not public/);
    const { proxy: settings } = configure(environment);
    const unvetted = createIssuerFetch({ proxy: settings })(
      url,
      { signal: AbortSignal.timeout(5000) },
      { allowHttp: false, allowLocal: false },
    );
    await expect(unvetted).rejects.toThrow(/not public/);
    expect(proxy.requests()).toEqual([]);
  });
});

describe("NO_PROXY", () => {
  it("has a host reached directly, and vetted as ever", async () => {
    const environment = { NO_PROXY: "other.example,.example" };
    const url = `https://ci.example:${server.port}/`;
    expect((await get({ url, environment, addresses: ["127.0.0.1"], policy: { allowLocal: true } })).status).toBe(200);
    await expect(get({ url, environment, addresses: ["127.0.0.1"] })).rejects.toThrow(/not public/);
    expect(proxy.requests()).toEqual([]);
    await get({ environment: { NO_PROXY: "other.example" } });
    expect(proxy.requests()).toHaveLength(1);
  });
});

describe("a forward proxy that fails", () => {
  const failure = async (given: Given = {}) => {
    const error = await get(given).then(
      () => new Error("it went through"),
      (reason) => reason,
    );
    expect(error).toBeInstanceOf(IssuerFetchError);
    return error.message;
  };

  it("is told as such where nobody listens", async () => {
    const environment = { HTTPS_PROXY: `http://127.0.0.1:${await freePort()}` };
    expect(await failure({ environment })).toBe("the forward proxy cannot be used (ECONNREFUSED)");
  });

  it.each([301, 403, 404, 407, 500, 502, 503])("is told with its status: %d", async (status) => {
    proxy.answer(status);
    expect(await failure()).toContain(`the forward proxy answers CONNECT 1.1.1.1:443 with status ${status}`);
    await expect.poll(() => proxy.openConnections()).toBe(0);
  });

  it("is told to want other credentials, and is asked once", async () => {
    proxy.answer(407);
    expect(await failure({ addresses: ["1.1.1.1", "1.0.0.1"] })).toContain("other credentials");
    expect(proxy.requests()).toHaveLength(1);
  });

  it("is waited for no longer than the fetch may last", async () => {
    proxy.answer("never");
    expect(await failure({ milliseconds: 200 })).toBe("the forward proxy does not answer in time");
    await expect.poll(() => proxy.openConnections()).toBe(0);
  });

  it("is not waited for where it connects, and the issuer then says nothing", async () => {
    const silent = createServer((socket) => socket.resume());
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const leading = await startFakeProxy(() => (silent.address() as AddressInfo).port);
    const environment = { HTTPS_PROXY: `http://127.0.0.1:${leading.port}` };
    expect(await failure({ environment, milliseconds: 200 })).toContain("no answer in time");
    await expect.poll(() => leading.openConnections()).toBe(0);
    await leading.close();
    silent.close();
  });
});

describe("a proxy's credentials", () => {
  const userinfo = "be%3Brth:p%40ss%3Aword";

  it("are sent to the proxy alone", async () => {
    await get({ environment: { HTTPS_PROXY: `http://${userinfo}@127.0.0.1:${proxy.port}` } });
    const sent = Buffer.from("be;rth:p@ss:word").toString("base64");
    expect(proxy.headers[0]).toMatchObject({ "proxy-authorization": `Basic ${sent}` });
    await get();
    expect(proxy.headers[1]).not.toHaveProperty("proxy-authorization");
  });

  it("are in no error, whatever goes wrong", async () => {
    const environment = { HTTPS_PROXY: `http://${userinfo}@127.0.0.1:${proxy.port}` };
    for (const answer of [407, 502, "never"] as const) {
      proxy.answer(answer);
      const error = await get({ environment, milliseconds: 200 }).catch((reason) => reason);
      const everything = JSON.stringify([error.message, error.stack, String(error.cause), error.cause?.stack]);
      for (const secret of ["p@ss", "p%40ss", Buffer.from("be;rth:p@ss:word").toString("base64")]) {
        expect(everything).not.toContain(secret);
      }
    }
  });
});

describe("a proxy by https", () => {
  let secure: FakeProxy;
  beforeEach(async () => {
    secure = await startFakeProxy(() => server.port, await authority.issue("127.0.0.1"));
  });
  afterEach(() => secure.close());

  const environment = () => ({ HTTPS_PROXY: `https://127.0.0.1:${secure.port}` });

  it("is checked by the platform's roots, whatever the issuer's authority", async () => {
    await expect(get({ environment: environment() })).rejects.toThrow(
      /forward proxy cannot be used \(UNABLE_TO_VERIFY/,
    );
    expect(secure.requests()).toEqual([]);
  });

  it("carries the issuer's own TLS inside, and ends with the fetch", async () => {
    const roots = getCACertificates("default");
    setDefaultCACertificates([authority.certificate]);
    try {
      expect((await get({ environment: environment() })).status).toBe(200);
    } finally {
      setDefaultCACertificates(roots);
    }
    expect(secure.requests()).toEqual(["CONNECT 1.1.1.1:443"]);
    expect(server.serverNames).toEqual(["ci.example"]);
    await expect.poll(() => secure.openConnections()).toBe(0);
  });
});

describe("a connection", () => {
  it.each([
    ["directly", { NO_PROXY: "*" }, ["127.0.0.1"]],
    ["through a proxy", {}, ["1.1.1.1"]],
  ] as const)("ends with its fetch, made %s", async (_, environment, addresses) => {
    const url = `https://ci.example:${server.port}/`;
    for (let count = 0; count < 10; count += 1) {
      await get({ url, environment, addresses, policy: { allowLocal: true } });
    }
    expect(server.serverNames).toHaveLength(10);
    await expect.poll(() => server.openConnections()).toBe(0);
    await expect.poll(() => proxy.openConnections()).toBe(0);
  });
});
