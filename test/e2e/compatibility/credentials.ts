import { beforeAll, describe, expect, it } from "vitest";
import { registryClients } from "../../support/registry-clients/all.ts";
import type { Account } from "../../support/registry-clients/operations.ts";
import { clientsThat, readers, refusal, type Stage } from "./clients.ts";

/** Credentials, good and no longer good. */
export function describeCredentials({ site, observe }: Stage): void {
  const image = () => `${site().host}/acme/app:1`;
  const robotPath = (robot: string) => `/organization/acme/robots/${robot}`;

  it.for(clientsThat("login"))("%s does not log in with a wrong password", async ([client, { login }], context) => {
    const account = { username: "acme+ci", password: "no robot token" };
    const told = await refusal(login(await site().seat(), site().host, account));
    observe(context, client, "log in with a wrong password", outcomeOf(told, "The password is no"));
  });

  interface Ending {
    readonly what: string;
    readonly robot: string;
    readonly reason: string;
    /** What makes a credential that was good so no longer. */
    readonly end: (account: Account) => Promise<unknown>;
  }
  const ended = "The robot token was ended";
  const endings: Ending[] = [
    {
      what: "an expired token",
      robot: "acme+ci",
      reason: "The robot token expired at",
      end: async () => site().berth.clock.advance(TOKEN_SECONDS + 1),
    },
    {
      what: "a disabled robot's token",
      robot: "acme+disabled",
      reason: ended,
      end: () => site().manage("PATCH", robotPath("disabled"), { disabled: true }),
    },
    {
      what: "a token of a changed binding",
      robot: "acme+rebound",
      reason: ended,
      async end() {
        const [{ id }] = await site().manage("GET", `${robotPath("rebound")}/federation`);
        await site().manage("PATCH", `${robotPath("rebound")}/federation/bindings/${id}`, { token_ttl: 60 });
      },
    },
    {
      what: "a token of a deleted binding",
      robot: "acme+unbound",
      reason: ended,
      end: () => site().manage("DELETE", `${robotPath("unbound")}/federation`),
    },
    {
      what: "a revoked token",
      robot: "acme+revoked",
      reason: ended,
      end: ({ password }) =>
        fetch(`${site().berth.url}/oauth2/revoke`, { method: "POST", body: new URLSearchParams({ token: password }) }),
    },
  ];
  describe.for(endings)("$what", ({ what, robot, reason, end }) => {
    let account: Account;
    beforeAll(async () => {
      account = await site().account(robot);
      expect(await registryClients.curl.pull(await site().seatWith({ [site().host]: account }), image())).toBe(
        site().machine.imageId,
      );
      await end(account);
      return () => what === "an expired token" && site().berth.clock.advance(-TOKEN_SECONDS - 1);
    });

    it.for(readers())("opens nothing to %s", async ([client, read], context) => {
      const told = await refusal(read(await site().seatWith({ [site().host]: account }), image()));
      observe(context, client, `pull with ${what}`, outcomeOf(told, reason));
    });
  });

  it.for(readers())("%s sends an identity token by POST", async ([client, read], context) => {
    const { account, berth, host, machine, seatWith } = site();
    const { password: identityToken } = await account("acme+reader");
    const before = berth.log.length;
    expect(await read(await seatWith({ [host]: { identityToken } }), image())).toBe(machine.imageId);
    expect(tokenRequests(berth.log.slice(before))).toContainEqual({ method: "POST", status: 200 });
    observe(context, client, "pull with an identity token", "yes");
  });

  it("containerd sends a password by POST", async () => {
    const { berth, seat } = site();
    const before = berth.log.length;
    await registryClients.containerd.pull(await seat("acme+reader"), image());
    expect(tokenRequests(berth.log.slice(before))).toContainEqual({ method: "POST", status: 200 });
  });
}

/** The life of a robot token. */
const TOKEN_SECONDS = 3600;

const outcomeOf = (told: string, reason: string) => (told.includes(reason) ? "refused, says why" : "refused");

/** What the log tells of requests for registry tokens. */
function tokenRequests(log: readonly string[]): { method: string; status: number }[] {
  return log
    .map((line) => JSON.parse(line))
    .filter(({ route }) => route === "/v2/auth")
    .map(({ method, status }) => ({ method, status }));
}
