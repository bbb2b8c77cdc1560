import { afterAll, beforeAll, expect, it } from "vitest";
import type { ApiAnswer } from "../support/berth.ts";
import { type Instances, startInstances } from "../support/instances.ts";

/** Writers at two instances on one PostgreSQL: some change one thing, some the whole of an organization. */
const WRITERS = 50;
/** Of whom each may have to try as often as there are others. */
const RETRYING = 20;

let instances: Instances;
const ask: Instances["ask"] = (...call) => instances.ask(...call);
const acme = "/organization/acme";
const state = `${acme}/state`;
const grants = `${acme}/robots/ci/grants`;

beforeAll(async () => {
  instances = await startInstances();
  await instances.one.createRobot("acme+ci");
});

afterAll(() => instances.remove());

const all = <T>(work: (writer: number) => Promise<T>, length = WRITERS): Promise<T[]> =>
  Promise.all(Array.from({ length }, (_, writer) => work(writer)));
const ifMatch = (read: ApiAnswer) => ({ "if-match": read.headers.get("etag") ?? "" });
const statuses = (answers: readonly ApiAnswer[]) => answers.map(({ status }) => status);

it("of fifty who put back the state that they all have read, with a change of theirs, one does", async () => {
  const read = await ask("GET", state);
  const answers = await all((writer) =>
    ask(
      "PUT",
      state,
      { ...read.body, settings: { ...read.body.settings, email: `${writer}@acme.example` } },
      ifMatch(read),
    ),
  );
  expect(statuses(answers).toSorted()).toEqual([200, ...Array(WRITERS - 1).fill(412)]);
  const won = statuses(answers).indexOf(200);
  expect((await ask("GET", acme)).body.email).toBe(`${won}@acme.example`);
});

it("none is lost of twenty who read, add their own and write, half of them the whole state", async () => {
  const mine = (writer: number) => ({ repository: `acme/r${writer}`, actions: ["pull"] });
  const write = async (writer: number): Promise<ApiAnswer> => {
    if (writer % 2) {
      const read = await ask("GET", grants);
      return ask("PUT", grants, [...read.body, mine(writer)], ifMatch(read));
    }
    const read = await ask("GET", state);
    const { ci } = read.body.robots;
    const robots = { ...read.body.robots, ci: { ...ci, grants: [...ci.grants, mine(writer)] } };
    return ask("PUT", state, { ...read.body, robots }, ifMatch(read));
  };
  await all(async (writer) => {
    for (let round = 0; round < 2 * RETRYING; round += 1) {
      const { status, headers, body } = await write(writer);
      if (status === 200) return;
      // Whose turn does not come in time is told when to come again.
      if (status === 503) expect(headers.get("retry-after"), JSON.stringify(body)).toBe("1");
      else expect(status, JSON.stringify(body)).toBe(412);
    }
    throw new Error("others came between every time");
  }, RETRYING);
  const stored = (await ask("GET", grants)).body.map(({ repository }: { repository: string }) => repository);
  expect(stored.toSorted()).toEqual(Array.from({ length: RETRYING }, (_, writer) => `acme/r${writer}`).toSorted());
});

/** Nothing listens there, which is no reason to refuse a binding. */
const trusts = (round: string) =>
  Array.from({ length: 10 }, (_, index) => ({ issuer: `http://127.0.0.1:9/${round}/${index}`, subject: "job" }));
const robots = Array.from({ length: 10 }, (_, index) => `r${index}`);

/** Comes at another moment for each index. */
async function bindLater(organization: string, index: number, federation: object[]): Promise<ApiAnswer> {
  const path = `/organization/${organization}/robots/r${index}`;
  await ask("PUT", path, {});
  for (let before = 0; before < index; before += 1) await ask("GET", path);
  return ask("POST", `${path}/federation`, federation);
}

it("all are answered who bind the same new issuers, of one robot or of every one", async () => {
  for (const robot of robots) await ask("PUT", `${acme}/robots/${robot}`, {});
  for (let round = 0; round < 5; round += 1) {
    const trust = trusts(`same-${round}`);
    const wanted = robots.map((robot, index) => [robot, { federation: index === 0 ? trust : [trust[index]] }]);
    const answers = await Promise.all([
      ask("PUT", state, { robots: Object.fromEntries(wanted), unlisted: "keep" }),
      ...trust.slice(1).map((one, index) => bindLater("acme", index + 1, [one])),
    ]);
    expect(statuses(answers), JSON.stringify(answers.map(({ body }) => body.detail))).toEqual(Array(10).fill(200));
    for (const [index, robot] of robots.entries()) {
      const stored = (await ask("GET", `${acme}/robots/${robot}/federation`)).body;
      expect(stored).toMatchObject(index === 0 ? trust : [trust[index]]);
    }
  }
});

it("all are answered who bind the same new issuers in another order, in another organization", async () => {
  await ask("POST", "/organization/", { name: "other" });
  for (let round = 0; round < 5; round += 1) {
    const trust = trusts(`across-${round}`);
    const wanted = robots.map((robot, index) => [robot, { federation: [trust.at(-1 - index)] }]);
    const answers = await Promise.all([
      ask("PUT", state, { robots: Object.fromEntries(wanted), unlisted: "keep" }),
      ...robots.map((_, index) => bindLater("other", index, trust)),
    ]);
    expect(statuses(answers), JSON.stringify(answers.map(({ body }) => body.detail))).toEqual(Array(11).fill(200));
  }
});

it("nobody waited for somebody who waited for them", () => {
  const log = instances.postgres.log.join("");
  expect(log).toContain("database system is ready");
  expect(log.match(/.*deadlock detected/g)).toBeNull();
});
