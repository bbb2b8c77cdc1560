import { rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type BerthProcess, spawnBerth } from "../support/berth-process.ts";
import { makeDataDir } from "../support/embedded-database.ts";
import { freePort } from "../support/free-port.ts";

const ROUNDS = 3;
const ROBOTS = 5;
const adminToken = "an-admin-token-of-the-kill-test";
let dataDir: string;
let port: number;
let berth: BerthProcess | undefined;

beforeAll(async () => {
  dataDir = await makeDataDir();
  port = await freePort();
});

afterAll(async () => {
  await berth?.end("SIGKILL");
  await rm(dataDir, { recursive: true, force: true });
});

it(`loses no acknowledged write of ${ROUNDS} processes killed in the middle of writing`, async () => {
  /** By robot: the last subject that was acknowledged, and the one that may or may not have been written. */
  const acknowledged = new Map<string, string>();
  const unanswered = new Map<string, string>();
  let writes = 0;

  for (let round = 0; round < ROUNDS; round += 1) {
    berth = await start();
    if (round === 0) await createRobots();
    await expectNothingLost();

    const { end } = berth;
    let killing: ReturnType<typeof end> | undefined;
    let alive = true;
    while (alive) {
      const robot = `robot${writes % ROBOTS}`;
      const subject = `write-${writes}`;
      unanswered.set(robot, subject);
      const answer = await call("POST", `${robot}/federation`, [{ issuer: "https://issuer.example", subject }]);
      if (answer?.status !== 200) break;
      acknowledged.set(robot, subject);
      unanswered.delete(robot);
      writes += 1;
      killing ??= new Promise((resolve) => setTimeout(resolve, Math.random() * 200)).then(() => {
        alive = false;
        return end("SIGKILL");
      });
    }
    expect(await killing).toBe("SIGKILL");
  }
  berth = await start();
  await expectNothingLost();
  expect(writes).toBeGreaterThanOrEqual(ROUNDS);
  console.log(`${ROUNDS} processes killed, ${writes} acknowledged writes, none lost`);

  async function expectNothingLost(): Promise<void> {
    for (const [robot, subject] of acknowledged) {
      const stored = await call("GET", `${robot}/federation`);
      const bindings = (await stored?.json()) as { subject: string }[] | undefined;
      const subjects = bindings?.map((binding) => binding.subject) ?? [];
      expect(subjects).toHaveLength(1);
      expect([subject, unanswered.get(robot)]).toContain(subjects[0]);
      acknowledged.set(robot, subjects[0] ?? "");
    }
    unanswered.clear();
  }
}, 300_000);

function start(): Promise<BerthProcess> {
  return spawnBerth({ PORT: String(port), DATA_DIR: dataDir, BERTH_ADMIN_TOKEN: adminToken, LOG_LEVEL: "info" });
}

async function createRobots(): Promise<void> {
  const made = await fetch(`http://127.0.0.1:${port}/api/v1/organization/`, {
    method: "POST",
    headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
    body: JSON.stringify({ name: "acme" }),
  });
  expect(made.status).toBe(201);
  for (let index = 0; index < ROBOTS; index += 1) {
    expect((await call("PUT", `robot${index}`, {}))?.status).toBe(201);
  }
}

/** `undefined` when the process died before it answered. */
async function call(method: string, path: string, body?: unknown): Promise<Response | undefined> {
  try {
    return await fetch(`http://127.0.0.1:${port}/api/v1/organization/acme/robots/${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  } catch {
    return undefined;
  }
}
