import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { IssuerFetchError, safeFetch } from "../../src/oidc/safe-fetch.ts";
import { createIssuerFetch } from "../../src/ports/node/issuer-fetch.ts";
import { freePort } from "../support/free-port.ts";

const signal = () => AbortSignal.timeout(5000);

describe("a fetch to a forbidden address", () => {
  /** Takes any connection and counts it, on every loopback address of both families. */
  let listeners: TcpServer[];
  let connections = 0;
  let port = 0;

  beforeAll(async () => {
    const listen = (host: string, at: number) =>
      new Promise<TcpServer>((resolve, reject) => {
        const server = createTcpServer((socket) => {
          connections += 1;
          socket.destroy();
        });
        server.once("error", reject).listen(at, host, () => resolve(server));
      });
    const first = await listen("0.0.0.0", 0);
    port = (first.address() as AddressInfo).port;
    listeners = [first, await listen("::1", port)];
  });

  afterAll(() => {
    for (const listener of listeners) listener.close();
  });

  beforeEach(() => {
    connections = 0;
  });

  afterEach(() => {
    expect(connections).toBe(0);
  });

  const strict = { allowHttp: false, allowLocal: false };
  const hosts = [
    "127.0.0.1",
    "127.255.255.254",
    "2130706433",
    "0x7f.1",
    "0x7f000001",
    "0177.0.0.1",
    "127.1",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "localhost",
    "LOCALHOST",
    "ip6-localhost",
  ];

  it.each(hosts)("makes no connection: https://%s", async (host) => {
    const fetched = safeFetch(createIssuerFetch(), `https://${host}:${port}/`, strict, signal());
    await expect(fetched).rejects.toThrow(IssuerFetchError);
  });

  it.each(["127.0.0.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "localhost"])(
    "makes no connection, though nobody vetted the URL before: %s",
    async (host) => {
      await expect(createIssuerFetch()(`https://${host}:${port}/`, { signal: signal() }, strict)).rejects.toThrow();
    },
  );

  it("makes no connection over plain http", async () => {
    const fetched = safeFetch(createIssuerFetch(), `http://127.0.0.1:${port}/`, strict, signal());
    await expect(fetched).rejects.toThrow(/not an https URL/);
  });

  it("says that the address is not public, by name too", async () => {
    const fetched = safeFetch(createIssuerFetch(), `https://localhost:${port}/`, strict, signal());
    await expect(fetched).rejects.toThrow(/not public/);
  });
});

describe("a fetch to an allowed address", () => {
  const lenient = { allowHttp: true, allowLocal: true };
  let server: Server;
  let origin = "";
  const paths: string[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      paths.push(request.url ?? "");
      if (request.url === "/redirect") return response.writeHead(302, { location: `${origin}/target` }).end();
      if (request.url === "/endless") {
        response.writeHead(200);
        const chunk = Buffer.alloc(64 * 1024, 0x20);
        const pour = () => {
          while (!response.destroyed && response.write(chunk));
        };
        response.on("drain", pour);
        return pour();
      }
      if (request.url === "/silent") return;
      if (request.url === "/stalled") return response.writeHead(200).write("{");
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(() => {
    server.close();
    server.closeAllConnections();
  });

  const fetchPath = (path: string, milliseconds = 5000) =>
    safeFetch(createIssuerFetch(), origin + path, lenient, AbortSignal.timeout(milliseconds));

  it("gives the document", async () => {
    const { status, body } = await fetchPath("/document");
    expect(status).toBe(200);
    expect(new TextDecoder().decode(body)).toBe("{}");
  });

  it("goes by the name where the name is allowed", async () => {
    const byName = origin.replace("127.0.0.1", "localhost");
    expect((await safeFetch(createIssuerFetch(), byName, lenient, signal())).status).toBe(200);
  });

  it("follows no redirect", async () => {
    await expect(fetchPath("/redirect")).rejects.toThrow(/redirect, which is not followed/);
    expect(paths).not.toContain("/target");
  });

  it("ends at 100 KiB, though the answer does not", async () => {
    await expect(fetchPath("/endless")).rejects.toThrow(/more than 102400 bytes/);
  });

  it.each(["/silent", "/stalled"])("ends in time where the answer is %s", async (path) => {
    await expect(fetchPath(path, 200)).rejects.toThrow(/no answer in time/);
  });

  it("ends in time where nobody says where a name leads", async () => {
    const fetch = createIssuerFetch({ lookup: () => new Promise(() => {}) });
    for (const over of [AbortSignal.timeout(200), AbortSignal.abort()]) {
      await expect(safeFetch(fetch, "https://ci.example/", lenient, over)).rejects.toThrow(/no answer in time/);
    }
  });

  it("ends in time, with its connection, where a server takes it and says nothing of TLS", async () => {
    const open = new Set<Socket>();
    const silent = createTcpServer((socket) => {
      open.add(socket.resume().on("close", () => open.delete(socket)));
    });
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
    const fetched = safeFetch(createIssuerFetch(), url, lenient, AbortSignal.timeout(200));
    await expect(fetched).rejects.toThrow(/no answer in time/);
    await expect.poll(() => open.size).toBe(0);
    silent.close();
  });

  it("says so where nobody listens", async () => {
    const closed = safeFetch(createIssuerFetch(), `http://127.0.0.1:${await freePort()}/`, lenient, signal());
    await expect(closed).rejects.toThrow(/ECONNREFUSED/);
  });
});
