import { expect, type TestContext } from "vitest";
import { type RegistryClientName, registryClients } from "../../support/registry-clients/all.ts";
import type { Operations } from "../../support/registry-clients/operations.ts";
import type { Seat } from "../../support/registry-clients/seat.ts";
import type { RegistryKind } from "../../support/registry-kinds.ts";
import type { RegistrySite } from "../../support/registry-site.ts";

/** What the cases of a suite share. */
export interface Stage {
  readonly kind: RegistryKind;
  /** There once the suite has started. */
  site(): RegistrySite;
  /** Notes what the client of a test was seen to do. */
  observe(context: TestContext, client: RegistryClientName, operation: string, outcome: string): void;
}

const clients = Object.entries(registryClients) as [RegistryClientName, Operations][];

type Can<Name extends keyof Operations> = Operations & Required<Pick<Operations, Name>>;

/** The clients that have a command for each operation. */
export function clientsThat<Name extends keyof Operations>(...names: Name[]): [RegistryClientName, Can<Name>][] {
  return clients.filter((client): client is [RegistryClientName, Can<Name>] => names.every((name) => client[1][name]));
}

/** Every client, with how it reads an image. */
export function readers(): [RegistryClientName, (seat: Seat, image: string) => Promise<string>][] {
  return clients.flatMap(([client, { pull, inspect }]) => {
    const read = pull ?? inspect;
    return read ? [[client, read]] : [];
  });
}

const REFUSED = /unauthorized|denied|authentication required|authorization failed|invalid username|\b40[13]\b/i;
/** What docker and containerd make of a refusal by zot. */
const REFUSED_BY_ZOT = /^no such manifest|failed to copy after \d+ retries/m;

/**
 * Expects a client to be refused, and not to fail in some other way.
 *
 * @returns what its user is told
 */
export async function refusal(running: Promise<unknown>): Promise<string> {
  const told = await running.then(
    () => "it was not refused",
    (error: Error & { readonly stderr?: string }) => error.stderr ?? error.message,
  );
  expect(REFUSED.test(told) || REFUSED_BY_ZOT.test(told), told).toBe(true);
  return told;
}
