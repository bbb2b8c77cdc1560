import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type ApiAnswer, call } from "../support/berth.ts";
import type { BerthProcess } from "../support/berth-process.ts";
import { type ChaosSite, expectStatus, prepareSite, robot } from "../support/chaos-site.ts";
import { tell } from "../support/figures.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { describeWith, pathOf } from "../support/requirements.ts";

const HOUR = 3600;
const HALF_AN_HOUR = 1800;
/** Between clocks of two processes, and the second that the library keeps what it read. */
const SLACK_SECONDS = 5;

describeWith(["faketime"], "a clock that is set while the service runs", () => {
  let postgres: TestPostgres;
  let site: ChaosSite;
  let directory: string;
  let berth: BerthProcess;
  /** Seconds that the service's clock is ahead of ours. */
  let offset = 0;
  const granted: string[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "berth-clock-"));
    postgres = await startPostgres();
    site = await prepareSite({ postgres, environment: { BERTH_RATE_LIMITS: "on" } });
    const file = join(directory, "offset");
    await writeFile(file, "+0");
    berth = await site.start({
      LD_PRELOAD: pathOf("faketime"),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    });
    await site.createRobots(["ci"]);
  });
  afterAll(async () => {
    await berth.end("SIGKILL");
    await site.remove();
    await postgres.remove();
    await rm(directory, { recursive: true });
  });

  const now = () => Math.floor(Date.now() / 1000) + offset;
  /** An OIDC token as an issuer makes it whose clock is so far ahead of ours. */
  const sign = (ahead = offset) => {
    const iat = Math.floor(Date.now() / 1000) + ahead;
    return site.sign({ iat, nbf: iat, exp: iat + 300 });
  };
  const exchange = async (): Promise<string> => {
    const { token } = expectStatus(200, await site.exchange(robot, await sign())).body;
    granted.push(token);
    return token;
  };
  const login = async (token: string) => (await site.registryToken(robot, token)).status;

  async function setClock(seconds: number): Promise<void> {
    await writeFile(join(directory, "offset"), `${seconds < 0 ? "" : "+"}${seconds}`);
    offset = seconds;
    await expect.poll(serviceTime, { timeout: 10_000 }).toBeGreaterThan(now() - SLACK_SECONDS);
    await expect.poll(serviceTime, { timeout: 10_000 }).toBeLessThan(now() + SLACK_SECONDS);
  }

  /** By the time of what it records. */
  async function serviceTime(): Promise<number> {
    expectStatus(401, await site.registryToken(robot, "no-token"));
    const line = berth.stdout().trim().split("\n").at(-1) ?? "";
    return Date.parse(JSON.parse(line).time) / 1000;
  }

  it("back: nothing is good before its time, and what is made is of the new time", async () => {
    const before = await exchange();
    expect(await login(before)).toBe(200);
    await setClock(-HALF_AN_HOUR);
    expect(await login(before)).toBe(401);
    expect((await site.exchange(robot, await sign(0))).status).toBe(400);

    const after = await exchange();
    expect(Math.abs((decodeJwt(after).iat ?? 0) - now())).toBeLessThan(SLACK_SECONDS);
    const registry: ApiAnswer = expectStatus(200, await site.registryToken(robot, after));
    const { nbf = 0, exp = 0 } = decodeJwt(registry.body.token);
    expect(nbf).toBeLessThanOrEqual(now());
    expect(exp).toBeLessThanOrEqual(now() + HOUR);
    for (let more = 0; more < 20; more += 1) await exchange();
  });

  it("back: keys turn, and what is revoked is refused at once", async () => {
    const before = await exchange();
    expectStatus(200, await site.api("POST", "/keys/rotate", {}));
    const after = await exchange();
    expect(decodeProtectedHeader(after).kid).not.toBe(decodeProtectedHeader(before).kid);
    for (const token of [before, after]) {
      expect(await login(token)).toBe(200);
      const body = new URLSearchParams({ token });
      expect((await call(`${site.url}/oauth2/revoke`, { method: "POST", body })).status).toBe(200);
      expect(await login(token)).toBe(401);
    }
  });

  it("forth again, and beyond the hour: every token ends with its own", async (context) => {
    await setClock(0);
    const last = await exchange();
    expect(await login(last)).toBe(200);
    await setClock(HOUR + SLACK_SECONDS);
    expect(await login(last)).toBe(401);
    expect(await login(await exchange())).toBe(200);
    const lives = granted.map((token) => decodeJwt(token)).map(({ iat = 0, exp = 0 }) => exp - iat);
    expect(Math.max(...lives)).toBeLessThanOrEqual(HOUR);
    tell(
      context,
      "robot tokens granted while the clock was set, of these good for more than an hour",
      `${lives.length}, 0`,
      "0",
    );
  });
});
