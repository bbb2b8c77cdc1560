import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { type ApiAnswer, basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { type OtherServer, startOtherServer } from "../support/other-server.ts";

const SERVICE = "old.example";
const PER_MINUTE = 6;
let berth: TestBerth;
let other: OtherServer;

beforeAll(async () => {
  [berth, other] = await Promise.all([
    startBerth({
      environment: {
        BERTH_RATE_LIMITS: "on",
        BERTH_RATE_LIMIT_LOGIN_FAILURES_PER_ADDRESS: String(PER_MINUTE),
        BERTH_TRUSTED_PROXIES: "127.0.0.0/8",
      },
    }),
    startOtherServer(),
  ]);
  const settings = { service: SERVICE, fallback_realm: other.realm };
  expect((await berth.api("POST", "/registries", settings)).status).toBe(201);
});

afterEach(() => {
  other.asked.length = 0;
  answerWith(200);
});

afterAll(async () => {
  await Promise.all([berth.remove(), other.close()]);
});

function answerWith(status: number, delay = 0): void {
  other.answer = (response) => setTimeout(() => response.writeHead(status).end("{}"), delay);
}

let addresses = 0;
/** Logins from an address that nobody else uses. */
function anAddress() {
  addresses += 1;
  const address = `198.51.100.${addresses}`;
  return (name: string, password: string): Promise<ApiAnswer> =>
    call(`${berth.url}/v2/auth?service=${SERVICE}`, {
      headers: { authorization: basic(name, password), "x-forwarded-for": address },
    });
}

/** The statuses of so many tries, one after the other, each with another password. */
async function guess(login: ReturnType<typeof anAddress>, names: readonly string[]): Promise<number[]> {
  const statuses: number[] = [];
  for (const name of names) statuses.push((await login(name, `guess ${statuses.length}`)).status);
  return statuses;
}
const anna = (times: number) => Array<string>(times).fill("anna");

describe("guesses of a person's password", () => {
  it("by two hundred at once reach a slow token server no more often than one after the other", async () => {
    answerWith(401, 200);
    const login = anAddress();
    const begun = performance.now();
    const answers = await Promise.all(Array.from({ length: 200 }, (_, index) => login("anna", `guess ${index}`)));
    const minutes = (performance.now() - begun) / 60_000;
    expect(other.asked.length).toBeGreaterThanOrEqual(PER_MINUTE);
    expect(other.asked.length).toBeLessThanOrEqual(PER_MINUTE * (1 + minutes));
    const passedOn = answers.filter(({ status }) => status === 401);
    expect(passedOn).toHaveLength(other.asked.length);
    expect(answers.filter(({ status }) => ![401, 429, 503].includes(status))).toEqual([]);
  });

  it.each([401, 403])("count when they are answered with %i", async (status) => {
    answerWith(status);
    const statuses = await guess(anAddress(), anna(PER_MINUTE + 1));
    expect(statuses).toEqual([...Array(PER_MINUTE).fill(status), 429]);
    expect(other.asked).toHaveLength(PER_MINUTE);
  });

  it.each([200, 500, 503])("count for nothing when they are answered with %i", async (status) => {
    answerWith(status);
    expect(await guess(anAddress(), anna(3 * PER_MINUTE))).toEqual(Array(3 * PER_MINUTE).fill(status));
  });

  it("count for nothing when the token server hangs up", async () => {
    other.answer = (response) => response.destroy();
    expect(await guess(anAddress(), anna(3 * PER_MINUTE))).toEqual(Array(3 * PER_MINUTE).fill(503));
  });

  it("of one name keep no other name out", async () => {
    answerWith(401);
    const login = anAddress();
    await guess(login, anna(PER_MINUTE + 1));
    answerWith(200);
    expect((await login("anna", "right")).status).toBe(429);
    expect((await login("bert", "right")).status).toBe(200);
  });

  it("of many names keep the address out, so that no one password is tried with all of them", async () => {
    answerWith(401);
    const login = anAddress();
    const most = PER_MINUTE * limits.rates.guessedNames;
    const names = Array.from({ length: 2 * most }, (_, index) => `person${index}`);
    const begun = performance.now();
    const statuses = await guess(login, names);
    const minutes = (performance.now() - begun) / 60_000;
    expect(other.asked.length).toBeGreaterThanOrEqual(most);
    expect(other.asked.length).toBeLessThanOrEqual(most * (1 + minutes));
    expect(statuses.filter((status) => status === 401)).toHaveLength(other.asked.length);
  });
});

it("a robot's failures keep no person out", async () => {
  const login = anAddress();
  const names = Array<string>(2 * PER_MINUTE).fill("acme+ci");
  expect((await guess(login, names)).at(-1)).toBe(429);
  expect((await login("anna", "right")).status).toBe(200);
  expect(other.asked).toHaveLength(1);
});
