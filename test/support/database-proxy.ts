import { connect, createServer, type Socket } from "node:net";
import { freePort } from "./free-port.ts";

/** Stands between the service and PostgreSQL, as a network does. */
export interface DatabaseProxy {
  /** The URL of the database by way of it. */
  readonly url: string;
  /** Loses every byte of the connections of that application name, which stay open, those yet to come included. */
  swallow(applicationName: string): void;
  /** Carries what is sent from now on; what was lost stays lost. */
  carry(): void;
  close(): Promise<void>;
}

export async function startDatabaseProxy(databaseUrl: string): Promise<DatabaseProxy> {
  const database = new URL(databaseUrl);
  const port = await freePort();
  const sockets = new Set<Socket>();
  let swallowed: string | undefined;

  const server = createServer((client) => {
    const behind = connect(Number(database.port), database.hostname);
    let startup: Buffer | undefined;
    const isSwallowed = () => swallowed !== undefined && startup?.includes(`application_name\0${swallowed}\0`) === true;
    client.on("data", (bytes) => {
      startup ??= bytes as Buffer;
      if (!isSwallowed()) behind.write(bytes);
    });
    behind.on("data", (bytes) => {
      if (!isSwallowed()) client.write(bytes);
    });
    for (const [socket, other] of [
      [client, behind],
      [behind, client],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        if (!isSwallowed()) other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${port}`;
  return {
    url: url.href,
    swallow(applicationName) {
      swallowed = applicationName;
    },
    carry() {
      swallowed = undefined;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
