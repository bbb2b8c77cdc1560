import { expect } from "vitest";
import type { TestBerth } from "./berth.ts";

/** Registers an issuer; the answer as it came. */
export async function register(berth: TestBerth, issuer: string, settings: object = {}) {
  const { status, body } = await berth.api("POST", "/issuers", { issuer, ...settings });
  expect(status, JSON.stringify(body)).toBe(201);
  return body;
}

let made = 0;

/** A robot of its own, bound as told, and what is done with it. */
export async function makeRobot(berth: TestBerth, ...federation: readonly object[]) {
  made += 1;
  const name = `acme+robot-${made}`;
  const path = `/organization/acme/robots/robot-${made}`;
  await berth.createRobot(name, { federation });
  return {
    name,
    path,
    bindings: async () => (await berth.api("GET", `${path}/federation`)).body,
    federate: (...entries: readonly object[]) => berth.api("POST", `${path}/federation`, entries),
    exchange: (token: string) => berth.exchange(name, token),
    explain: (token: string) => berth.api("POST", `${path}/federation/explain`, { token }),
  };
}
