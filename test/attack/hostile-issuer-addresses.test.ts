import { createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { freePort } from "../support/free-port.ts";
import { keysUrl, openProxiedIssuers, type ProxiedIssuers } from "./proxied-issuers.ts";

/** Hosts that no issuer may lead to, in every spelling that a URL has for them. */
const forbiddenHosts = [
  ...["127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.1", "017700000001"],
  ...[
    "0X7F.0x0.0x0.0x1",
    "127.0.0.0x1",
    "%31%32%37.0.0.1",
    "１２７.0.0.1",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "127.255.255.254",
  ],
  ...["localhost", "LocalHost", "localhost.", "a.localhost", "ｌocalhost"],
  ...["0.0.0.0", "0", "0x0", "00000000000"],
  ...["10.0.0.1", "167772161", "172.16.0.1", "172.31.255.255", "192.168.1.1", "0xc0.0xa8.257", "100.64.0.1"],
  ...["169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "169.254.169.254."],
  ...[
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
  ],
  ...[
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:10.0.0.1]",
  ],
  ...[
    "[0:0:0:0:0:ffff:a9fe:a9fe]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::1]",
  ],
  ...[
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:7f00:1::]",
    "[2001:db8::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[fd00:ec2::254]",
  ],
  ...["[fc00::1]", "[ff02::1]", "[100::1]", "[5f00::1]"],
];

/** This machine's own addresses, which are private where the tests run in a container. */
const ownHosts = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .filter(({ family, address }) => family === "IPv4" && /^(10|127|172|192)\./.test(address))
  .map(({ address }) => address);

describe.each([
  ["that resolves names", { BERTH_PROXY_RESOLVES: "true" }],
  ["that addresses are reached without", { BERTH_PROXY_RESOLVES: "true", NO_PROXY: "0.0.0.0/0, ::/0, localhost" }],
])("behind a proxy %s", (_, environment) => {
  let issuers: ProxiedIssuers;
  let traps: Server[];
  let port = 0;
  let trapped = 0;

  beforeAll(async () => {
    issuers = await openProxiedIssuers(environment);
    port = await freePort();
    traps = ["0.0.0.0", "::1"].map((host) =>
      createServer((socket) => {
        trapped += 1;
        socket.destroy();
      }).listen(port, host),
    );
  });

  afterAll(async () => {
    for (const trap of traps) trap.close();
    await issuers.close();
  });

  let heard = 0;
  beforeEach(() => {
    heard = issuers.proxy.requests().length;
  });

  afterEach(() => {
    const since = issuers.proxy.requests().slice(heard);
    expect(since.filter((line) => !/^CONNECT [a-z0-9]+\.ci\.example:443$/.test(line))).toEqual([]);
    expect(trapped).toBe(0);
  });

  it("an issuer may have its keys on another host", async () => {
    const { exchange, host } = await issuers.bind();
    expect((await exchange()).status).toBe(200);
    expect(issuers.proxy.requests().slice(heard)).toContain(`CONNECT ${host}:443`);
    expect(issuers.proxy.requests().slice(heard)).toContain("CONNECT keys.ci.example:443");
  });

  it.each([...forbiddenHosts, ...ownHosts])("no keys are fetched from %s", async (host) => {
    const { expectOutage } = await issuers.bind((issuer) => ({ issuer, jwks_uri: `https://${host}:${port}/jwks` }));
    expect(await expectOutage(/^issuer_unreachable$/)).toMatch(/not public|not an https URL/);
  });

  it.each([
    ["http", () => "http://keys.ci.example/jwks"],
    ["http to a private address", () => `http://127.0.0.1:${port}/jwks`],
    ["a file", () => "file:///etc/passwd"],
    ["data", () => 'data:application/json,{"keys":[]}'],
    ["FTP", () => `ftp://127.0.0.1:${port}/jwks`],
    ["a script", () => "javascript:0"],
    ["a WebSocket", () => `wss://127.0.0.1:${port}/`],
    ["a blob", () => "blob:https://keys.ci.example/1"],
    ["a user and a private host", () => `https://keys.ci.example@127.0.0.1:${port}/jwks`],
    ["a private host and a backslash", () => `https://127.0.0.1:${port}\\@keys.ci.example/jwks`],
    ["backslashes", () => `https:\\\\127.0.0.1:${port}\\jwks`],
    ["no slashes", () => `https:127.0.0.1:${port}/jwks`],
    ["a tab within", () => `https://127.0\t.0.1:${port}/jwks`],
    ["a line's end", () => `\n https://127.0.0.1:${port}/jwks`],
    ["a header's end", () => `https://127.0.0.1:${port}/jwks\r\nHost: x`],
    ["a path", () => "/jwks"],
    ["another protocol's address", () => `//127.0.0.1:${port}/jwks`],
    ["a credential", () => "https://user:password@keys.ci.example/jwks"],
    ["a port that is none", () => "https://keys.ci.example:65536/jwks"],
    ["no host", () => "https://"],
    ["nothing", () => ""],
    ["null", () => null],
    ["a list", () => [keysUrl]],
    ["an object", () => ({ href: keysUrl })],
  ])("no keys are fetched where their address is %s", async (_, uri) => {
    const { expectOutage } = await issuers.bind((issuer) => ({ issuer, jwks_uri: uri() }));
    await expectOutage(/^issuer_(unreachable|keys_invalid)$/);
    expect(issuers.proxy.requests().slice(heard)).not.toContain("CONNECT keys.ci.example:443");
  });

  it.each(["127.0.0.1", "10.0.0.1", "169.254.169.254", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "localhost"])(
    "an issuer at %s is not asked, bound or not",
    async (host) => {
      const { bound, exchange } = await issuers.bindTo(`https://${host}:${port}`);
      expect([200, 400]).toContain(bound.status);
      expect([400, 503]).toContain((await exchange()).status);
    },
  );

  it.each<[string, (issuer: string) => unknown]>([
    ["another issuer", () => "https://other.ci.example"],
    ["itself with a slash", (issuer) => `${issuer}/`],
    ["itself in capitals", (issuer) => issuer.toUpperCase()],
    ["itself with its port", (issuer) => `${issuer}:443`],
    ["itself and more", (issuer) => `${issuer}.evil.example`],
    ["itself in a list", (issuer) => [issuer]],
    ["nobody", () => undefined],
    ["Berth", () => issuers.berth.url],
  ])("an issuer whose document names %s has no keys", async (_, named) => {
    const { expectOutage } = await issuers.bind((issuer) => ({ issuer: named(issuer), jwks_uri: keysUrl }));
    await expectOutage(/^issuer_keys_invalid$/);
    expect(issuers.proxy.requests().slice(heard)).not.toContain("CONNECT keys.ci.example:443");
  });
});
