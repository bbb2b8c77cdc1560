import { DrizzleQueryError } from "drizzle-orm";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createLog } from "../../src/ports/log.ts";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { askRegistryToken, exchangeByForm } from "../support/refusals.ts";

let berth: TestBerth;
let issuer: TestIssuer;

beforeAll(async () => {
  [berth, issuer] = await Promise.all([startBerth({ environment: { LOG_LEVEL: "debug" } }), startIssuer()]);
  await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }], grants: [] });
  await berth.createRobot("acme+client", { federation: [{ issuer: issuer.url, subject, clients: ["x"] }] });
});

afterAll(async () => {
  await Promise.all([berth.remove(), issuer.close()]);
});

it("no credential is in the log or the audit log, however a request went", async () => {
  const secrets = new Set<string>([berth.adminToken]);
  /** Both what a token is and what of it would be enough, or tell something. */
  const secret = (token: string) => {
    const [, payload, signature] = token.split(".");
    for (const part of [token, payload, signature]) if (part) secrets.add(part);
    return token;
  };
  const sign = async (claims: Record<string, unknown> = {}) => secret(await issuer.sign(berth.url, claims));

  const granted = await berth.exchange("acme+ci", await sign());
  const robotToken = secret(granted.body.token);
  secret((await exchangeByForm(berth, "acme+ci", await sign())).body.access_token);
  secret((await askRegistryToken(berth, "scope=repository:acme/app:pull", ["acme+ci", robotToken])).body.token);

  const forged = secret(`${(await sign()).split(".").slice(0, 2).join(".")}.Zm9yZ2Vk${"A".repeat(334)}`);
  for (const token of [
    await sign({ aud: "https://else.example" }),
    await sign({ sub: "someone-else" }),
    await sign({ exp: 1, iat: 0, nbf: 0 }),
    await sign({ sub: 7 }),
    await sign({ azp: "a\u0000b" }),
    forged,
    secret("a-password-for-nothing"),
  ]) {
    for (const robot of ["acme+ci", "acme+client", "acme+nobody"]) {
      await berth.exchange(robot, token);
      await exchangeByForm(berth, robot, token);
      await askRegistryToken(berth, "scope=repository:acme/app:pull", [robot, token]);
    }
    await call(`${berth.url}/v2/`, { headers: { authorization: `Bearer ${token}` } });
    await call(`${berth.url}/api/v1/user/`, { headers: { authorization: `Bearer ${token}` } });
    await call(`${berth.url}/v2/auth?account=acme&password=${token}`, {
      headers: { authorization: basic("x", token) },
    });
    await call(`${berth.url}/oauth2/token?subject_token=${token}`, { method: "POST", body: token });
  }
  await berth.api("POST", "/organization/", { name: "\u0000", email: "\ud800" });

  const records: unknown[] = [];
  for (let page = ""; ; ) {
    const { body } = await berth.api("GET", `/logs?limit=500${page}`);
    records.push(...body.logs);
    if (!body.next_page) break;
    page = `&next_page=${body.next_page}`;
  }
  expect(records.length).toBeGreaterThan(40);
  expect(berth.log.length).toBeGreaterThan(100);
  const written = [...berth.log, ...records.map((record) => JSON.stringify(record))].join("\n");
  for (const one of secrets) expect(written.includes(one), one).toBe(false);
});

it("a query that failed is logged without its parameters, whatever it caused", () => {
  const lines: string[] = [];
  const cause = new DrizzleQueryError("select 2", ["inner-secret"], new Error("refused"));
  const error = new DrizzleQueryError("select $1", ["outer-secret"], cause);
  createLog("info", (line) => lines.push(line)).error("request failed", { error });
  expect(lines.join()).toContain("select $1");
  expect(lines.join()).toContain("refused");
  expect(lines.join()).not.toContain("secret");
});
