import { deepStrictEqual, equal, ok } from "node:assert/strict";
import { decodeJwt } from "jose";
import { call } from "../test/support/berth.ts";
import type { TestIssuer } from "../test/support/issuer.ts";
import { type Contest, takeTurns } from "./compare.ts";
import type { Call } from "./load.ts";
import { authorization, type Robot } from "./robots.ts";

/** Exchanges under way at once while calls are made ready. */
const AT_ONCE = 20;
const EXCHANGE = "/oauth2/federation/robot/token";

export interface Servers {
  /** URLs. */
  readonly baseline: string;
  readonly berth: string;
}

interface RobotCall extends Call {
  readonly robot: Robot;
}

interface ScopedCall extends RobotCall {
  readonly access: readonly { readonly type: string; readonly name: string; readonly actions: readonly string[] }[];
}

/** The exchange, beside verifying a token, inserting a row and signing another token. */
export function exchangeContest({ baseline, berth }: Servers, robots: readonly Robot[], issuer: TestIssuer) {
  const isNew = distinct();
  const contest: Contest<RobotCall> = {
    baseline: { title: "verify RS256, insert a row, sign ES256", origin: baseline, path: "/exchange" },
    subject: { title: "exchange", origin: berth },
    prepare: (count) => Promise.all(takeTurns(robots, count).map((robot) => exchangeCall(berth, robot, issuer))),
    warmUp: { rate: 2_000 },
    check({ call: { robot }, body }) {
      const token = readToken(body);
      equal(decodeJwt(token).sub, robot.name);
      isNew(token);
    },
  };
  return contest;
}

/** The registry token endpoint, beside signing a token: robots that come again, each with its own token. */
export async function registryTokenContest(
  { baseline, berth }: Servers,
  robots: readonly Robot[],
  issuer: TestIssuer,
): Promise<Contest<ScopedCall>> {
  const logins = await logIn(berth, robots, issuer);
  return {
    baseline: { title: "sign ES256", origin: baseline, path: "/signature" },
    subject: { title: "registry token", origin: berth },
    prepare: async (count) => takeTurns(logins, count).map((login, i) => scopedCall(berth, login, i / logins.length)),
    warmUp: { rate: 8_000 },
    check: checkRegistryToken(),
  };
}

/**
 * The same where nothing is known of anybody, beside asking for one row and signing: each call has a robot token
 * that was never seen before.
 */
export function coldRegistryTokenContest(
  { baseline, berth }: Servers,
  robots: readonly Robot[],
  issuer: TestIssuer,
): Contest<ScopedCall> {
  return {
    baseline: { title: "SELECT a row, sign ES256", origin: baseline, path: "/select" },
    subject: { title: "registry token, cold", origin: berth },
    prepare: async (count) => askOnce(await logIn(berth, takeTurns(robots, count), issuer)),
    warmUp: {
      rate: 4_000,
      prepare: async (count) =>
        askOnce(takeTurns(await logIn(berth, takeTurns(robots, Math.min(count, WARM_UP_TOKENS)), issuer), count)),
    },
    check: checkRegistryToken(),
  };

  function askOnce(logins: readonly LoggedIn[]): ScopedCall[] {
    return logins.map((login, i) => scopedCall(berth, login, i / robots.length));
  }
}

/** The database is asked for all the same. */
const WARM_UP_TOKENS = 6000;

interface LoggedIn {
  readonly robot: Robot;
  readonly headers: Call["headers"];
}

/** A robot token for each. */
async function logIn(berth: string, robots: readonly Robot[], issuer: TestIssuer): Promise<LoggedIn[]> {
  const logins: LoggedIn[] = [];
  for (let at = 0; at < robots.length; at += AT_ONCE) {
    const some = robots.slice(at, at + AT_ONCE).map(async (robot) => {
      const { path, headers } = await exchangeCall(berth, robot, issuer);
      const { body } = await call(`${berth}${path}`, { headers });
      return { robot, headers: authorization(robot, body.token) };
    });
    logins.push(...(await Promise.all(some)));
  }
  return logins;
}

function scopedCall(berth: string, { robot, headers }: LoggedIn, turn: number): ScopedCall {
  const access = accessOf(robot, Math.floor(turn));
  const scopes = access.map(({ type, name, actions }) => `&scope=${type}:${name}:${actions.join(",")}`);
  return { robot, headers, access, path: `/v2/auth?service=${new URL(berth).host}${scopes.join("")}` };
}

function checkRegistryToken(): Contest<ScopedCall>["check"] {
  const isNew = distinct();
  return ({ call: { robot, access }, body }) => {
    const token = readToken(body);
    const claims = decodeJwt(token);
    equal(claims.sub, robot.name);
    deepStrictEqual(claims.access, access);
    isNew(token);
  };
}

/** What a push with a mount asks for: one repository to pull from and push to, and another to pull from. */
function accessOf({ repositories }: Robot, turn: number): ScopedCall["access"] {
  const [target, source] = [turn, turn + 1].map((n) => repositories[n % repositories.length] as string);
  return [
    { type: "repository", name: target as string, actions: ["pull", "push"] },
    { type: "repository", name: source as string, actions: ["pull"] },
  ];
}

async function exchangeCall(berth: string, robot: Robot, issuer: TestIssuer): Promise<RobotCall> {
  const token = await issuer.sign(berth, { sub: robot.subject, jti: crypto.randomUUID() });
  return { robot, path: EXCHANGE, headers: authorization(robot, token) };
}

function readToken(body: string): string {
  const { token } = JSON.parse(body);
  ok(typeof token === "string", `no token in ${body}`);
  return token;
}

/** @returns a check that no token is handed out twice */
function distinct(): (token: string) => void {
  const handedOut = new Set<string>();
  return (token) => {
    ok(!handedOut.has(token), `a token was handed out twice: ${token}`);
    handedOut.add(token);
  };
}
