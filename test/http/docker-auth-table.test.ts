import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { askRegistryToken } from "../support/refusals.ts";

/**
 * The table that docker_auth's users write in its configuration, as grants: one account may do all, one pulls,
 * one pulls and pushes, and everybody else may do nothing.
 */
const accounts = {
  "acme+admin": [{ repository: "*", actions: ["pull", "push", "delete"] }, { catalog: true }],
  "acme+reader": [{ repository: "*", actions: ["pull"] }],
  "acme+builder": [{ repository: "*", actions: ["pull", "push"] }],
  "acme+stranger": [],
};
type Account = keyof typeof accounts;

let berth: TestBerth;
let issuer: TestIssuer;
const logins = new Map<string, [string, string]>();

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth(), startIssuer()]);
  for (const [name, grants] of Object.entries(accounts)) {
    await berth.createRobot(name, { federation: [{ issuer: issuer.url, subject }], grants });
    const { token } = (await berth.exchange(name, await issuer.sign(berth.url))).body;
    logins.set(name, [name, token]);
  }
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

async function allowed(account: Account | "nobody", scope: string): Promise<string> {
  const { status, body } = await askRegistryToken(berth, `scope=${scope}`, logins.get(account));
  expect(status).toBe(200);
  const { access } = decodeJwt<{ access: { actions: string[] }[] }>(body.token);
  return access.flatMap(({ actions }) => actions).join(",");
}

describe.each(["acme/app", "other/deep/er/name", "library"])("docker_auth's table, on %s", (repository) => {
  it.each<[Account | "nobody", string]>([
    ["acme+admin", "pull,push,delete"],
    ["acme+reader", "pull"],
    ["acme+builder", "pull,push"],
    ["acme+stranger", ""],
    ["nobody", ""],
  ])("%s may %j", async (account, actions) => {
    for (const asked of ["*", "pull,push,delete", "delete,push,pull"]) {
      expect(await allowed(account, `repository:${repository}:${asked}`)).toBe(actions);
    }
    for (const action of ["pull", "push", "delete"]) {
      const expected = actions.split(",").includes(action) ? action : "";
      expect(await allowed(account, `repository:${repository}:${action}`)).toBe(expected);
    }
  });
});

it.each<[Account | "nobody", string]>([
  ["acme+admin", "*"],
  ["acme+reader", ""],
  ["acme+builder", ""],
  ["acme+stranger", ""],
  ["nobody", ""],
])("docker_auth's table, of the catalog: %s may %j", async (account, actions) => {
  expect(await allowed(account, "registry:catalog:*")).toBe(actions);
});
