import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

let postgres: TestPostgres;
let berth: TestBerth;
let issuer: TestIssuer;
const robot = "/organization/acme/robots/ci";

beforeAll(async () => {
  [postgres, issuer] = await Promise.all([startPostgres(), startIssuer()]);
  berth = await startBerth({
    environment: {
      DATABASE_URL: await postgres.createDatabase("races"),
      BERTH_SECRET_KEY: Buffer.alloc(32, 7).toString("base64"),
      BERTH_ADMIN_TOKEN: "an-admin-token-of-the-races",
    },
  });
  await berth.createRobot("acme+ci", { federation: [{ issuer: issuer.url, subject }] });
});

afterAll(async () => {
  await berth.remove();
  await Promise.all([postgres.remove(), issuer.close()]);
});

/** Does `rounds` rounds of each kind of work, all kinds at once. */
async function race(rounds: number, ...works: ((round: number) => Promise<ApiAnswer>)[]): Promise<number[][]> {
  return Promise.all(
    works.map(async (work) => {
      const statuses: number[] = [];
      for (let round = 0; round < rounds; round += 1) statuses.push((await work(round)).status);
      return statuses;
    }),
  );
}

const exchange = async () => berth.exchange("acme+ci", await issuer.sign(berth.url));
const only = (...allowed: number[]) => expect.toSatisfy((all: number[]) => all.every((one) => allowed.includes(one)));

describe("on PostgreSQL, exchanges beside", () => {
  it("changes of their binding are granted, and the changes made", async () => {
    const [{ id }] = (await berth.api("GET", `${robot}/federation`)).body;
    const describeBinding = (round: number) =>
      berth.api("PATCH", `${robot}/federation/bindings/${id}`, { description: `round ${round}` });
    const disable = (round: number) => berth.api("PATCH", robot, { description: `round ${round}` });
    const all = await race(15, exchange, exchange, exchange, describeBinding, disable);
    expect(all).toEqual([only(200), only(200), only(200), only(200), only(200)]);
  });

  it("changes of their issuer are granted by what holds then", async () => {
    const [{ issuer_id }] = (await berth.api("GET", `${robot}/federation`)).body;
    const rename = (round: number) => berth.api("PATCH", `/issuers/${issuer_id}`, { name: `round ${round}` });
    const change = (round: number) => berth.api("PATCH", `/issuers/${issuer_id}`, { max_token_age: 3600 + round });
    const all = await race(15, exchange, exchange, rename, change);
    expect(all).toEqual([only(200, 503), only(200, 503), only(200), only(200)]);
    expect(all.flat().filter((status) => status === 503).length).toBeLessThan(10);
  });

  it("a robot's disabling end, though its tokens are good once and come without end", async () => {
    const { body } = await berth.api("POST", "/issuers", { issuer: issuer.url, name: "once", replay_protection: true });
    await berth.createRobot("acme+once", { federation: [{ issuer: issuer.url, issuer_id: body.id, subject }] });
    let jti = 0;
    const once = async () => {
      jti += 1;
      return berth.exchange("acme+once", await issuer.sign(berth.url, { jti: `job-${jti}` }));
    };
    const running = race(40, once, once, once);
    expect((await once()).status).toBe(200);
    expect((await berth.api("PATCH", "/organization/acme/robots/once", { disabled: true })).status).toBe(200);
    expect((await once()).status).toBe(400);
    expect(await running).toEqual([only(200, 400), only(200, 400), only(200, 400)]);
  });
});

describe("on PostgreSQL, binding", () => {
  it("an issuer that comes and goes is done or refused, and never half", async () => {
    const url = "https://fleeting.example";
    const bind = () =>
      berth.api("POST", "/organization/acme/robots/fleeting/federation", [{ issuer: url, subject: "a" }]);
    const comeAndGo = async () => {
      const { body } = await berth.api("POST", "/issuers", { issuer: url, disabled: true });
      return berth.api("DELETE", `/issuers/${body.id}?cascade=true`);
    };
    await berth.createRobot("acme+fleeting");
    const all = await race(15, bind, bind, comeAndGo);
    expect(all).toEqual([only(200, 400, 503), only(200, 400, 503), only(204, 503)]);
  });

  it("the same new issuers in two orders is done in both", async () => {
    const names = Array.from({ length: 8 }, (_, index) => `https://new-${index}.example`);
    await berth.createRobot("acme+up");
    await berth.createRobot("acme+down");
    const bind = (name: string, list: string[]) => () =>
      berth.api(
        "POST",
        `/organization/acme/robots/${name}/federation`,
        list.map((one) => ({ issuer: one, subject: "a" })),
      );
    const all = await race(1, bind("up", names), bind("down", names.toReversed()));
    expect(all).toEqual([[200], [200]]);
  });
});
