import { execFile } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { UnsecuredJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exchangeContest } from "../bench/contests.ts";
import { load } from "../bench/load.ts";
import { startIssuer, type TestIssuer } from "./support/issuer.ts";

const main = fileURLToPath(new URL("../bench/main.ts", import.meta.url));

describe("the benchmark", () => {
  it("puts verification, registry tokens and exchanges beside their baselines, as ratios", {
    timeout: 180_000,
  }, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      main,
      ...["--seconds", "0.2", "--database", "postgres", "--no-growth"],
    ]);
    const [, , ...table] = stdout.split("\n");
    const figure = String.raw`[\d,]+`;
    const latencies = String.raw`[\d.]+ +[\d.]+`;
    const ratio = String.raw`[\d.]+ +[\d.]+–[\d.]+`;
    expect(table.slice(0, 8)).toEqual([
      expect.stringMatching(`^none +jwtVerify +${figure} +${latencies}$`),
      expect.stringMatching(`^ +strict verification +${figure} +${ratio} +0.77 +${latencies}$`),
      expect.stringMatching(`^postgres +sign ES256 +${figure} +${latencies}$`),
      expect.stringMatching(`^ +registry token +${figure} +${ratio} +0.70 +${latencies}$`),
      expect.stringMatching(`^postgres +SELECT a row, sign ES256 +${figure} +${latencies}$`),
      expect.stringMatching(`^ +registry token, cold +${figure} +${ratio} +0.50 +${latencies}$`),
      expect.stringMatching(`^postgres +verify RS256, insert a row, sign ES256 +${figure} +${latencies}$`),
      expect.stringMatching(`^ +exchange +${figure} +${ratio} +0.50 +${latencies}$`),
    ]);
    expect(stdout).toMatch(/Every one of [\d,]+ answers of Berth was 200 with a token of its own/);
    expect(stdout).not.toContain("\u001b");
  });
});

describe("a benchmark's check", () => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startIssuer();
  });
  afterAll(() => issuer.close());

  const robot = { name: "bench+robot-0", subject: "repo:bench/app:ref:refs/heads/main", repositories: [] };
  const answer = (subject: string) => JSON.stringify({ token: new UnsecuredJWT().setSubject(subject).encode() });
  const contest = () =>
    exchangeContest({ berth: "http://127.0.0.1:1", baseline: "http://127.0.0.1:2" }, [robot], issuer);

  it("refuses a token that was handed out before", async () => {
    const { prepare, check } = contest();
    const [call] = await prepare(1);
    if (!call) throw new Error("no call was prepared");
    check({ call, body: answer(robot.name) });
    expect(() => check({ call, body: answer(robot.name) })).toThrow("handed out twice");
  });

  it("refuses another robot's token", async () => {
    const { prepare, check } = contest();
    const [call] = await prepare(1);
    if (!call) throw new Error("no call was prepared");
    expect(() => check({ call, body: answer("bench+robot-1") })).toThrow("bench+robot-1");
  });

  it("gives each call of a robot an external token of its own", async () => {
    const calls = await contest().prepare(20);
    expect(new Set(calls.map(({ headers }) => headers.authorization)).size).toBe(20);
  });

  it("ends a run that had an answer other than 200", async () => {
    const server = createServer((_, response) => response.writeHead(503).end("busy"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const calls = Array.from({ length: 20 }, () => ({ path: "/", headers: {} }));
    await expect(load(origin, calls, { seconds: 5, connections: 10 })).rejects.toThrow("503 busy");
    server.close();
  });
});
