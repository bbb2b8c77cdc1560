import { startBerth, type TestBerth } from "./berth.ts";
import { type Clients, createClients } from "./clients.ts";
import { freePort } from "./free-port.ts";
import { startCiPlatform } from "./provider.ts";
import { fetchCertificates, startRegistry, type TestRegistry } from "./registry.ts";

/** A CI platform, Berth, a registry that trusts Berth, and the clients of a job: all on loopback over plain http. */
export interface Site {
  readonly berth: TestBerth;
  readonly registry: TestRegistry;
  readonly clients: Clients;
  /** Trades the job's OIDC token for a robot token. */
  robotToken(robot: string): Promise<string>;
  /** The clients of another machine, which hold nothing yet. */
  createClients(): Promise<Clients>;
  close(): Promise<void>;
}

const JOB = "repo:acme/app:ref:refs/heads/main";
export const SERVICE = "registry.example";

/** @param robots the grants of each robot, by its full name; every one is bound to the job */
export async function startSite(robots: Readonly<Record<string, unknown>>): Promise<Site> {
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  const createSiteClients = async () => {
    const clients = await createClients("http");
    closers.push(clients.remove);
    return clients;
  };
  try {
    const platform = await startCiPlatform([JOB]);
    closers.push(platform.close);
    const berth = await startBerth({ environment: { BERTH_REGISTRY_SERVICE: SERVICE } });
    closers.push(berth.remove);
    for (const [robot, grants] of Object.entries(robots)) {
      await berth.createRobot(robot, { federation: [{ issuer: platform.issuer, subject: JOB }], grants });
    }
    const registry = await startRegistry({
      port: await freePort(),
      service: SERVICE,
      issuer: berth.url,
      certificates: await fetchCertificates(berth.url, SERVICE),
    });
    closers.push(registry.remove);
    return {
      berth,
      registry,
      clients: await createSiteClients(),
      async robotToken(robot) {
        const { status, body } = await berth.exchange(robot, await platform.tokenFor(JOB, berth.url));
        if (status !== 200) throw new Error(`the exchange was refused: ${JSON.stringify(body)}`);
        return body.token;
      },
      createClients: createSiteClients,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
