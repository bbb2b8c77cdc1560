import { setTimeout as sleep } from "node:timers/promises";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call } from "../support/berth.ts";
import { type ChaosSite, expectStatus, prepareSite, robot } from "../support/chaos-site.ts";
import { duration, tell } from "../support/figures.ts";
import { type Outcome, startLoad, tally } from "../support/load.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

/** Of a process, from when it listens. */
const MIN_LIFE_MILLISECONDS = 100;
const DEADLINE_MILLISECONDS = 6 * 60_000;

describe.each([
  { kind: "PostgreSQL", killed: 30, life: 700 },
  { kind: "embedded", killed: 20, life: 2000 },
])("$killed processes killed under load, $kind", ({ kind, killed, life }) => {
  let postgres: TestPostgres | undefined;
  let site: ChaosSite;

  /** What was answered with success, and so has to be true for good. */
  const created = new Set<string>();
  const exchanged = new Set<string>();
  const revoked = new Set<string>();
  /** Answers of success, by the `jti` of an OIDC token that is good for one. */
  const granted = new Map<string, number>();
  /** Sent to the process before, with whatever answer: all used up by now, or never taken. */
  let sent: { readonly jti: string; readonly token: string }[] = [];
  let serial = 0;
  const next = () => {
    serial += 1;
    return serial;
  };

  beforeAll(async () => {
    if (kind === "PostgreSQL") postgres = await startPostgres();
    site = await prepareSite(postgres && { postgres });
  });
  afterAll(async () => {
    await site.remove();
    await postgres?.remove();
  });

  const create = async () => {
    const name = `robot${next()}`;
    const answer = await site.api("PUT", `/organization/acme/robots/${name}`, {});
    if (answer.status === 201) created.add(`acme+${name}`);
    return answer;
  };
  const exchange = async ({ jti, token }: { jti: string; token: string }) => {
    const answer = await site.exchange(robot, token);
    if (answer.status === 200) {
      granted.set(jti, (granted.get(jti) ?? 0) + 1);
      exchanged.add(String(decodeJwt(answer.body.token).jti));
    }
    return answer;
  };
  /** Two at once with the same token, of which one may be granted. */
  const replay = async () => {
    const jti = `jti${next()}`;
    const attempt = { jti, token: await site.sign({ jti }) };
    sent.push(attempt);
    const [one, other] = await Promise.all([exchange(attempt), exchange(attempt)]);
    return one.status === 200 ? other : one;
  };
  const revoke = async () => {
    const jti = `jti${next()}`;
    const exchangeAnswer = await exchange({ jti, token: await site.sign({ jti }) });
    if (exchangeAnswer.status !== 200) return exchangeAnswer;
    const { token } = exchangeAnswer.body;
    const answer = await call(`${site.url}/oauth2/revoke`, { method: "POST", body: new URLSearchParams({ token }) });
    if (answer.status === 200) revoked.add(token);
    return answer;
  };
  const expected: Readonly<Record<string, number>> = { create: 201, replay: 400, revoke: 200 };

  it("lose no acknowledged write, and take no token twice", async (context) => {
    const startedAt = Date.now();
    const starts: number[] = [];
    const outcomes: Outcome[] = [];
    let rounds = 0;
    while (rounds < killed && Date.now() < startedAt + DEADLINE_MILLISECONDS) {
      const startingAt = Date.now();
      const berth = await site.start();
      starts.push(Date.now() - startingAt);
      if (rounds === 0) await prepare();
      await expectNothingTwice();
      await expectRevoked([...revoked].slice(-20));

      const load = startLoad({ create, replay, revoke }, { pauseMilliseconds: 1 });
      await sleep(MIN_LIFE_MILLISECONDS + Math.random() * life);
      expect(await berth.end("SIGKILL")).toBe("SIGKILL");
      outcomes.push(...(await load.stop()));
      rounds += 1;
    }

    const last = await site.start();
    await expectNothingTwice();
    await expectRevoked([...revoked]);
    await expectCreated();
    const recorded = await recordedExchanges();
    expect([...exchanged].filter((jti) => !recorded.includes(jti))).toEqual([]);
    expect(new Set(recorded).size).toBe(recorded.length);
    expect([...granted].filter(([, times]) => times > 1)).toEqual([]);
    const odd = outcomes.filter(({ kind: what, answer }) => answer && answer.status !== expected[what]);
    expect(tally(odd)).toEqual({});
    expect(rounds).toBe(killed);
    expect(await last.end("SIGTERM")).toBe(0);

    const lost = outcomes.filter(({ answer }) => !answer).length;
    tell(context, `${kind}: processes killed, requests that they left unanswered`, `${rounds}, ${lost}`);
    tell(context, `${kind}: robots acknowledged, lost`, `${created.size}, 0`, "0 lost");
    tell(context, `${kind}: revocations acknowledged, lost`, `${revoked.size}, 0`, "0 lost");
    tell(context, `${kind}: exchanges granted, without their audit record`, `${exchanged.size}, 0`, "0 without");
    tell(context, `${kind}: OIDC tokens granted, of these twice`, `${granted.size}, 0`, "0 twice");
    tell(context, `${kind}: from start to listening, slowest`, duration(Math.max(...starts)));
  }, 480_000);

  async function prepare(): Promise<void> {
    expectStatus(201, await site.api("POST", "/issuers", { issuer: site.issuer.url, replay_protection: true }));
    await site.createRobots(["ci"]);
  }

  async function expectNothingTwice(): Promise<void> {
    const again = sent;
    sent = [];
    for (const attempt of again) {
      const before = granted.get(attempt.jti) ?? 0;
      const { status, body } = await exchange(attempt);
      if (before > 0) expect([status, body.code]).toEqual([400, "replayed"]);
      expect([200, 400]).toContain(status);
    }
  }

  async function expectRevoked(tokens: readonly string[]): Promise<void> {
    for (const token of tokens) expect((await site.registryToken(robot, token)).status).toBe(401);
  }

  async function expectCreated(): Promise<void> {
    const stored = new Set<string>();
    let page = "";
    do {
      const { body } = expectStatus(200, await site.api("GET", `/organization/acme/robots?limit=500${page}`));
      for (const { name } of body.robots) stored.add(name);
      page = body.next_page ? `&next_page=${body.next_page}` : "";
    } while (page);
    expect([...created].filter((name) => !stored.has(name))).toEqual([]);
  }

  /** The `jti` of every robot token that the audit log has a record of. */
  async function recordedExchanges(): Promise<string[]> {
    const path = "/api/v1/logs?kind=federated_robot_token_exchange&outcome=success";
    const authorization = `Bearer ${site.environment.BERTH_ADMIN_TOKEN}`;
    const streamed = await fetch(site.url + path, { headers: { authorization, accept: "application/x-ndjson" } });
    const body = await streamed.text();
    const lines = body.trim().split("\n");
    return lines.map((line) => JSON.parse(line).metadata.robot_token_jti);
  }
});
