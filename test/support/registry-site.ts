import { type ApiAnswer, startBerth, type TestBerth } from "./berth.ts";
import { freePort } from "./free-port.ts";
import { startIssuer, subject } from "./issuer.ts";
import type { Account, Credentials } from "./registry-clients/operations.ts";
import { type Machine, type Seat, startMachine } from "./registry-clients/seat.ts";
import { type RegistryFront, startRegistryFront } from "./registry-front.ts";
import type { RegistryKind } from "./registry-kinds.ts";

/** Berth, a registry of some kind that trusts it, and a machine with every client. */
export interface RegistrySite {
  readonly berth: TestBerth;
  readonly service: string;
  /** What stands before the registry: clients know no other address of it. */
  readonly front: RegistryFront;
  readonly host: string;
  readonly machine: Machine;
  /** A robot with a new robot token. */
  account(robot: string): Promise<Account>;
  /** A user of the machine who holds a robot's token for the registry; without a robot, nothing. */
  seat(robot?: string): Promise<Seat>;
  seatWith(credentials: Credentials): Promise<Seat>;
  /** A management call that has to be granted. */
  manage(method: string, path: string, body?: unknown): Promise<ApiAnswer["body"]>;
  close(): Promise<void>;
}

/** @param robots the grants of each robot, by its full name, with no registry in them */
export async function startRegistrySite(
  kind: RegistryKind,
  robots: Readonly<Record<string, readonly object[]>>,
): Promise<RegistrySite> {
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const issuer = await startIssuer();
    closers.push(issuer.close);
    // The least there is, so that a push can outlast it.
    const berth = await startBerth({ environment: { BERTH_REGISTRY_TOKEN_TTL: "60" } });
    closers.push(berth.remove);
    const manage = async (method: string, path: string, body?: unknown) => {
      const answer = await berth.api(method, path, body);
      if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return answer.body;
    };
    const service = kind.keyProfile === "x5c" ? berth.host : `${kind.keyProfile}.example`;
    if (service !== berth.host) await manage("POST", "/registries", { service, key_profile: kind.keyProfile });
    for (const [robot, grants] of Object.entries(robots)) {
      await berth.createRobot(robot, {
        federation: [{ issuer: issuer.url, subject }],
        grants: grants.map((grant) => ({ registry: service, ...grant })),
      });
    }
    const port = await freePort();
    const registry = await kind.start({ berth, service, port });
    closers.push(registry.remove);
    const front = await startRegistryFront(port);
    closers.push(front.close);
    const machine = await startMachine();
    closers.push(machine.remove);

    const account = async (robot: string) => {
      // A job's token is as old as Berth's clock, which a test may have set.
      const now = Math.floor(berth.clock.now() / 1000);
      const token = await issuer.sign(berth.url, { iat: now, nbf: now, exp: now + 300 });
      const { status, body } = await berth.exchange(robot, token);
      if (status !== 200) throw new Error(`the exchange was refused: ${JSON.stringify(body)}`);
      return { username: robot, password: body.token };
    };
    return {
      berth,
      service,
      front,
      host: front.host,
      machine,
      account,
      seat: async (robot) => machine.seat(robot ? { [front.host]: await account(robot) } : {}),
      seatWith: machine.seat,
      manage,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
