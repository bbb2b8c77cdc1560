import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerCredential } from "./certificate-authority.ts";
import { startDaemon } from "./daemon.ts";
import { freePort } from "./free-port.ts";
import { pathOf } from "./requirements.ts";

/** A forward proxy that says what it was asked for. */
export interface TestProxy {
  readonly port: number;
  /** The request lines so far, such as `CONNECT 192.0.2.1:443`. */
  requests(): readonly string[];
  close(): Promise<void>;
}

export interface TinyproxyOptions {
  readonly user?: string;
  readonly password?: string;
  /** The one port that it connects to. */
  readonly allowedPort?: number;
}

/** The proxy of Debian's package, with its log on standard output. */
export async function startTinyproxy({ user, password, allowedPort }: TinyproxyOptions = {}): Promise<TestProxy> {
  const directory = await mkdtemp(join(tmpdir(), "berth-tinyproxy-"));
  const [port, file] = [await freePort(), join(directory, "tinyproxy.conf")];
  const configuration = [
    `Port ${port}`,
    "Listen 127.0.0.1",
    "LogLevel Connect",
    ...(user ? [`BasicAuth ${user} ${password}`] : []),
    ...(allowedPort ? [`ConnectPort ${allowedPort}`] : []),
  ];
  await writeFile(file, `${configuration.join("\n")}\n`);
  const daemon = await startDaemon(pathOf("tinyproxy"), ["-d", "-c", file], port);
  return {
    port,
    requests: () =>
      [...daemon.output().matchAll(/Request \(file descriptor \d+\): (.*) HTTP\/1\.[01]/g)].map(
        ([, line = ""]) => line,
      ),
    async close() {
      await daemon.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A proxy that a test holds in its hand. */
export interface FakeProxy extends TestProxy {
  /** The headers of each request. */
  readonly headers: readonly IncomingHttpHeaders[];
  /** The connections that are open now, both sides counted. */
  openConnections(): number;
  /** Answers so from now on: with a status, or never. By default it connects. */
  answer(status?: number | "never"): void;
}

/**
 * @param route where on loopback an authority leads, if anywhere
 * @param credential makes it a proxy that is itself spoken to by TLS
 */
export async function startFakeProxy(
  route: (authority: string) => number | undefined,
  credential?: ServerCredential,
): Promise<FakeProxy> {
  const requests: string[] = [];
  const headers: IncomingHttpHeaders[] = [];
  const open = new Set<Socket>();
  let status: number | "never" | undefined;
  const hold = (socket: Socket) => {
    open.add(socket);
    socket.on("error", () => {}).once("close", () => open.delete(socket));
  };

  const server: Server = credential ? createSecureServer(credential) : createServer();
  server.on(credential ? "secureConnection" : "connection", hold);
  server.on("request", ({ method, url }, response) => {
    requests.push(`${method} ${url}`);
    response.writeHead(405).end();
  });
  server.on("connect", (request, client) => {
    const authority = request.url ?? "";
    requests.push(`CONNECT ${authority}`);
    headers.push(request.headers);
    client.on("end", () => client.end());
    client.resume();
    if (status === "never") return;
    const port = route(authority);
    if (status !== undefined || port === undefined) {
      client.write(`HTTP/1.1 ${status ?? 502} Refused\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const target = connect(port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      client.pipe(target).pipe(client);
    });
    hold(target);
    target.once("close", () => client.destroy());
    client.once("close", () => target.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    requests: () => requests,
    headers,
    openConnections: () => open.size,
    answer(given) {
      status = given;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}
