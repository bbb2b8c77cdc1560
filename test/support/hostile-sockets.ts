import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";

/** Where nobody else comes from, who may be given a port that one of these has given up. */
const ADDRESS = "127.0.0.2";

/** Connections that are up to no good, opened all at once and kept. */
export interface HostileSockets {
  readonly opened: number;
  /** How many of them the server still holds. */
  held(): number;
  end(): void;
}

/** @param behave is given each socket once it is connected, and may return a timer that goes on with it */
export async function openSockets(
  port: number,
  count: number,
  behave: (socket: Socket) => NodeJS.Timeout | undefined,
): Promise<HostileSockets> {
  const sockets: Socket[] = [];
  const timers: (NodeJS.Timeout | undefined)[] = [];
  const ports = new Set<number>();
  const open = () =>
    new Promise<void>((done) => {
      const socket = connect({ port, host: "127.0.0.1", localAddress: ADDRESS });
      sockets.push(socket);
      socket.on("error", () => done());
      socket.once("connect", () => {
        ports.add(Number(socket.localPort));
        timers.push(behave(socket));
        done();
      });
    });
  await Promise.all(Array.from({ length: count }, open));
  return {
    opened: ports.size,
    held: () => clientsOf(port).filter((client) => ports.has(client)).length,
    end() {
      for (const timer of timers) clearInterval(timer);
      for (const socket of sockets) socket.destroy();
    },
  };
}

/**
 * The clients' ports of the connections that whoever listens at a port has not let go of, by Linux's table of
 * them, which has the address backwards: a client that does not read cannot tell by itself.
 */
function clientsOf(port: number): number[] {
  const rows = readFileSync("/proc/net/tcp", "utf8").trim().split("\n").slice(1);
  return rows.flatMap((row) => {
    const [, local = "", remote = "", , , , , , , inode] = row.trim().split(/\s+/);
    const portOf = (address: string) => Number.parseInt(address.split(":")[1] ?? "", 16);
    const isHeld = portOf(local) === port && remote.startsWith("0200007F:") && inode !== "0";
    return isHeld ? [portOf(remote)] : [];
  });
}
