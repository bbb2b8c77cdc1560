import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { basic } from "../support/berth.ts";
import type { BerthProcess } from "../support/berth-process.ts";
import { type ChaosSite, expectStatus, prepareSite, robot } from "../support/chaos-site.ts";
import { duration, tell } from "../support/figures.ts";
import { openSockets } from "../support/hostile-sockets.ts";
import { type Load, percentile, slowest, startLoad, tally } from "../support/load.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

const MEGABYTE = 2 ** 20;
const MAX_MEGABYTES = 500;
/** Beyond the bound itself: how often it is looked, and a busy machine. */
const SLACK_MILLISECONDS = 20_000;
const ANSWER_MILLISECONDS = 5000;

let postgres: TestPostgres;
let site: ChaosSite;
let berth: BerthProcess;
let robotToken: string;

beforeAll(async () => {
  postgres = await startPostgres();
  site = await prepareSite({ postgres });
  berth = await site.start();
  await site.createRobots(["ci"]);
  robotToken = expectStatus(200, await site.exchange(robot, await site.sign())).body.token;
});

afterAll(async () => {
  await berth.end("SIGKILL");
  await site.remove();
  await postgres.remove();
});

interface Way {
  readonly title: string;
  readonly count: number;
  readonly behave: (socket: Socket) => NodeJS.Timeout | undefined;
  /** Milliseconds within which they are closed. */
  readonly bound: number;
}

const head = (method: string, path: string) => `${method} ${path} HTTP/1.1\r\nHost: berth\r\n`;
const oneByteAtATime = (socket: Socket, text: string) => {
  let sent = 0;
  return setInterval(() => {
    socket.write(text.charAt(sent % text.length));
    sent += 1;
  }, 500);
};

const ways: Way[] = [
  {
    title: "silent from the start",
    count: 4000,
    behave: () => undefined,
    bound: limits.http.headersMilliseconds,
  },
  {
    title: "a header at a byte every half second",
    count: 500,
    behave: (socket) => {
      socket.write(head("GET", "/healthz"));
      return oneByteAtATime(socket, `X-Padding: ${"x".repeat(1000)}`);
    },
    bound: limits.http.headersMilliseconds,
  },
  {
    title: "a body at a byte every half second",
    count: 500,
    behave: (socket) => {
      const type = "Content-Type: application/x-www-form-urlencoded";
      socket.write(`${head("POST", "/oauth2/token")}${type}\r\nContent-Length: 50000\r\n\r\n`);
      return oneByteAtATime(socket, "grant_type=");
    },
    bound: limits.http.requestMilliseconds,
  },
  {
    title: "answers that nobody reads",
    count: 20,
    behave: (socket) => {
      socket.pause();
      socket.write(`${head("GET", "/openapi.json")}\r\n`.repeat(100));
      return undefined;
    },
    bound: limits.http.silentMilliseconds * 2,
  },
  {
    title: "that say nothing after their first request",
    count: 500,
    behave: (socket) => {
      socket.write(`${head("GET", "/healthz")}\r\n`);
      return undefined;
    },
    bound: limits.http.headersMilliseconds,
  },
];

it("hostile connections of every kind, all at once: closed in time, with bounded memory, and nobody else waits", async (context) => {
  const load = startOthers();
  const memory = watchMemory(berth.pid);
  const closedIn = await Promise.all(ways.map(untilClosed));
  const outcomes = await load.stop();
  const megabytes = await memory.stop();
  for (const [index, { title, count, bound }] of ways.entries()) {
    const milliseconds = closedIn[index] ?? Number.POSITIVE_INFINITY;
    const limit = bound + SLACK_MILLISECONDS;
    tell(context, `${count} ${title}: all closed after`, duration(milliseconds), `< ${duration(limit)}`);
  }
  const times = `${duration(percentile(outcomes, 0.99))}, ${duration(slowest(outcomes))}`;
  tell(context, "others' requests meanwhile, of these failed", `${outcomes.length}, 0`, "0 failed");
  tell(context, "others' answers meanwhile: p99, slowest", times, `slowest < ${duration(ANSWER_MILLISECONDS)}`);
  tell(context, "resident at most", `${megabytes} MB`, `< ${MAX_MEGABYTES} MB`);
  for (const [index, { title, bound }] of ways.entries()) {
    expect(closedIn[index], title).toBeLessThan(bound + SLACK_MILLISECONDS);
  }
  expect(tally(outcomes.filter(({ answer }) => answer?.status !== 200))).toEqual({});
  expect(slowest(outcomes)).toBeLessThan(ANSWER_MILLISECONDS);
  expect(megabytes).toBeLessThan(MAX_MEGABYTES);
});

it("headers of 32 KiB are refused, and just below that taken, and others are served meanwhile", async (context) => {
  const load = startOthers();
  const statuses = new Map<number, number>();
  for (let request = 0; request < 300; request += 1) {
    const bytes = limits.http.headerBytes + (request % 2 ? 2048 : -2048);
    const headers = { "x-padding": "x".repeat(bytes) };
    const { status } = await fetch(`${site.url}/healthz`, { headers });
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  expect(Object.fromEntries(statuses)).toEqual({ 200: 150, 431: 150 });
  const outcomes = await load.stop();
  expect(tally(outcomes.filter(({ answer }) => answer?.status !== 200))).toEqual({});
  tell(context, "headers of 30 KiB taken, of 34 KiB refused with 431", "150, 150");
});

it("a credential of 16 KiB comes through", async () => {
  const token = await site.sign({ groups: "g".repeat(11_000) });
  const headers = { authorization: basic(robot, token) };
  expect((await fetch(`${site.url}/oauth2/federation/robot/token`, { headers })).status).toBe(200);
});

function startOthers(): Load {
  return startLoad(
    {
      exchange: async () => site.exchange(robot, await site.sign()),
      "registry token": () => site.registryToken(robot, robotToken),
    },
    { clients: 1, pauseMilliseconds: 20 },
  );
}

/** Milliseconds until the service holds none of them any more, or nothing else is to be expected. */
async function untilClosed({ count, behave, bound }: Way): Promise<number> {
  const openedAt = Date.now();
  const hostile = await openSockets(site.port, count, behave);
  expect(hostile.opened).toBe(count);
  let looksInVain = 0;
  while (looksInVain < 2 && Date.now() < openedAt + bound + SLACK_MILLISECONDS) {
    await sleep(500);
    // The system's table changes while it is read, and a row may be missed.
    looksInVain = hostile.held() === 0 ? looksInVain + 1 : 0;
  }
  hostile.end();
  return looksInVain === 2 ? Date.now() - openedAt : Number.POSITIVE_INFINITY;
}

/** The most that a process had resident, in megabytes. */
function watchMemory(pid: number): { stop(): Promise<number> } {
  let most = 0;
  const look = async () => {
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    most = Math.max(most, Number(status.match(/VmRSS:\s+(\d+) kB/)?.[1]) * 1024);
  };
  const looking = setInterval(look, 200);
  return {
    async stop() {
      clearInterval(looking);
      await look();
      return Math.round(most / MEGABYTE);
    },
  };
}
