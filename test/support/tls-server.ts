import type { RequestListener } from "node:http";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";

/** An https server on loopback that says who was asked for. */
export interface TlsServer {
  readonly port: number;
  /** The names in SNI of all connections so far; `false` where there was none. */
  readonly serverNames: readonly (string | false | null)[];
  /** The `Host` of each request. */
  readonly hosts: readonly (string | undefined)[];
  openConnections(): Promise<number>;
  close(): Promise<void>;
}

const sayNothingMuch: RequestListener = (_, response) => {
  response.writeHead(200, { "content-type": "application/json" }).end("{}");
};

export async function startTlsServer(options: ServerOptions, handle = sayNothingMuch): Promise<TlsServer> {
  const serverNames: (string | false | null)[] = [];
  const hosts: (string | undefined)[] = [];
  const server = createServer(options, (request, response) => {
    hosts.push(request.headers.host);
    handle(request, response);
  });
  server.on("secureConnection", ({ servername }: TLSSocket) => serverNames.push(servername));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    serverNames,
    hosts,
    openConnections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
