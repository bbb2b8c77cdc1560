import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "undici";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { BerthProcess } from "../support/berth-process.ts";
import { type ChaosSite, expectStatus, prepareSite, robot } from "../support/chaos-site.ts";
import { duration, tell } from "../support/figures.ts";
import { freePort } from "../support/free-port.ts";
import { type Outcome, percentile, slowest, startLoad, tally } from "../support/load.ts";
import { startNginx, type TestNginx } from "../support/nginx.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { describeWith } from "../support/requirements.ts";

const ROUNDS = 3;

describeWith(["nginx", "openssl"], "instances behind nginx on one PostgreSQL, restarted one after the other", () => {
  let postgres: TestPostgres;
  let nginx: TestNginx;
  let site: ChaosSite;
  let dispatcher: Agent;
  const seats: { readonly port: number; berth?: BerthProcess }[] = [];
  let robotToken: string;

  beforeAll(async () => {
    postgres = await startPostgres();
    for (let seat = 0; seat < 3; seat += 1) seats.push({ port: await freePort() });
    const port = await freePort();
    const berthPort = seats.map((seat) => seat.port);
    nginx = await startNginx({ port, berthPort, registryPort: await freePort() });
    dispatcher = new Agent({ connect: { ca: await readFile(nginx.caFile) } });
    site = await prepareSite({
      postgres,
      environment: { BERTH_TRUSTED_PROXIES: "127.0.0.1/32" },
      through: { url: `https://localhost:${port}`, dispatcher },
    });
    await Promise.all(seats.slice(1).map(start));
    await site.createRobots(["ci", "described"]);
    robotToken = expectStatus(200, await site.exchange(robot, await site.sign())).body.token;
  });
  afterAll(async () => {
    await Promise.all(seats.map(({ berth }) => berth?.end("SIGKILL")));
    await dispatcher.close();
    await site.remove();
    await nginx.remove();
    await postgres.remove();
  });

  async function start(seat: (typeof seats)[number]): Promise<void> {
    seat.berth = await site.start({ PORT: String(seat.port) });
  }

  const described = "/organization/acme/robots/described";
  let serial = 0;
  const requests = {
    exchange: async () => site.exchange(robot, await site.sign()),
    "exchange by RFC 8693": async () => site.exchangeByForm(robot, await site.sign()),
    "registry token": () => site.registryToken(robot, robotToken),
    read: () => site.api("GET", described),
    write: () => {
      serial += 1;
      return site.api("PATCH", described, { description: String(serial) });
    },
    create: () => {
      serial += 1;
      return site.api("POST", "/organization/", { name: `org${serial}` }, { "idempotency-key": `create-${serial}` });
    },
  };

  it("fail no request, whichever of them goes", async (context) => {
    const load = startLoad(requests);
    await sleep(1000);
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [index, seat] of seats.entries()) {
        await start(seat);
        const leaving = seats[(index + 1) % seats.length]?.berth;
        expect(await leaving?.end("SIGTERM")).toBe(0);
        await sleep(200);
      }
    }
    const outcomes = await load.stop();
    const isServed = ({ kind, answer }: Outcome) => answer?.status === (kind === "create" ? 201 : 200);
    expect(tally(outcomes.filter((outcome) => !isServed(outcome)))).toEqual({});
    expect(new Set(outcomes.map(({ kind }) => kind)).size).toBe(Object.keys(requests).length);
    tell(context, "restarts of an instance under load", ROUNDS * seats.length);
    tell(context, "requests, of these failed", `${outcomes.length}, 0`, "0 failed");
    tell(
      context,
      "of an answer: p99, slowest",
      `${duration(percentile(outcomes, 0.99))}, ${duration(slowest(outcomes))}`,
    );
  });
});
