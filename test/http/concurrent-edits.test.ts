import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ApiAnswer } from "../support/berth.ts";
import { type Instances, startInstances } from "../support/instances.ts";
import { startIssuer, type TestIssuer } from "../support/issuer.ts";

/** Fifty writers at two instances on one PostgreSQL. */
const WRITERS = 50;
const ROUNDS = 3;
/** Of whom each may have to try as often as there are others. */
const RETRYING = 20;

let instances: Instances;
let issuer: TestIssuer;
const ask: Instances["ask"] = (...call) => instances.ask(...call);
const acme = "/organization/acme";
const robot = `${acme}/robots/ci`;
const federation = `${robot}/federation`;
const permission = "/repository/acme/app/permissions/user/acme+ci";
const prototype = { role: "read", delegate: { name: "acme+ci", kind: "user" } };

beforeAll(async () => {
  [instances, issuer] = await Promise.all([startInstances(), startIssuer()]);
  await instances.one.createRobot("acme+ci", { federation: [trust(0)] });
  await ask("PUT", permission, { role: "read" });
  await ask("POST", `${acme}/prototypes`, prototype);
  await ask("POST", "/principals", { name: "terraform" });
});

afterAll(async () => {
  await Promise.all([instances.remove(), issuer.close()]);
});

const trust = (branch: number, more: object = {}) => ({
  issuer: issuer.url,
  subject: `repo:acme/app:ref:refs/heads/b${branch}`,
  ...more,
});
const all = <T>(work: (writer: number) => Promise<T>, length = WRITERS): Promise<T[]> =>
  Promise.all(Array.from({ length }, (_, writer) => work(writer)));
const ifMatch = (read: ApiAnswer) => ({ "if-match": read.headers.get("etag") ?? "" });
const statuses = (answers: readonly ApiAnswer[]) => answers.map(({ status }) => status);
const of = (status: number, times: number) => Array(times).fill(status);

/** Something that is edited: how, by whom in which round, and where it is if not at a path of its own. */
type Edited = [
  what: string,
  method: string,
  path: string | (() => Promise<string>),
  wanted: (writer: number, round: number) => unknown,
];

// A default permission is one of three roles: in each round all want the same, which is another than before.
const roleOf = (round: number) => ({ role: ["write", "admin", "read"][round] });

const edited: Edited[] = [
  ["a robot", "PATCH", robot, (writer, round) => ({ description: `${writer} in ${round}` })],
  ["an organization", "PATCH", acme, (writer, round) => ({ email: `${writer}@${round}.example` })],
  ["its further names", "PUT", acme, (writer, round) => ({ repository_prefixes: [`old-${round}-${writer}`] })],
  ["a federation", "POST", federation, (writer, round) => [trust(0), trust(100 * (round + 1) + writer)]],
  [
    "a binding",
    "PATCH",
    async () => `${federation}/bindings/${(await ask("GET", federation)).body[0].id}`,
    (writer, round) => ({ token_ttl: 100 * (round + 1) + writer }),
  ],
  ["a permission", "PUT", permission, (_, round) => roleOf(round)],
  [
    "a default permission",
    "PUT",
    async () => `${acme}/prototypes/${(await ask("GET", `${acme}/prototypes`)).body.prototypes[0].id}`,
    (_, round) => roleOf(round),
  ],
  ["a principal", "PATCH", "/principals/terraform", (writer, round) => ({ description: `${writer} in ${round}` })],
  [
    "grants",
    "PUT",
    `${robot}/grants`,
    (writer, round) => [{ repository: `acme/r-${round}-${writer}`, actions: ["pull"] }],
  ],
];

describe("of fifty who edit what they all have read,", () => {
  it.each(edited)("of %s, one does so, and the others hear that it was changed", async (_, method, path, wanted) => {
    const at = typeof path === "string" ? path : await path();
    for (let round = 0; round < ROUNDS; round += 1) {
      const read = await ask("GET", at);
      const answers = await all((writer) => ask(method, at, wanted(writer, round), ifMatch(read)));
      expect(statuses(answers).toSorted()).toEqual([...of(200, 1), ...of(412, WRITERS - 1)]);
      const won = answers.find(({ status }) => status === 200);
      const after = await ask("GET", at);
      expect([after.body, after.headers.get("etag")]).toEqual([won?.body, won?.headers.get("etag")]);
      expect(won?.headers.get("etag")).not.toBe(read.headers.get("etag"));
    }
  });

  it("one deletes it, and the others find it gone", async () => {
    const gone = `${acme}/robots/gone`;
    const made = await ask("PUT", gone, {});
    const answers = await all(() => ask("DELETE", gone, undefined, ifMatch(made)));
    expect(statuses(answers).toSorted()).toEqual([...of(204, 1), ...of(404, WRITERS - 1)]);
  });
});

describe("of twenty who read, add their own and write until nobody came between, none is lost:", () => {
  /** Adds to what is there; each round at least one writer gets through. */
  async function addUntilDone(method: string, path: string, add: (body: ApiAnswer["body"]) => unknown): Promise<void> {
    for (let round = 0; round < RETRYING; round += 1) {
      const read = await ask("GET", path);
      const written = await ask(method, path, add(read.body), ifMatch(read));
      if (written.status === 200) return;
      expect(written.status, JSON.stringify(written.body)).toBe(412);
    }
    throw new Error("others came between every time");
  }

  const allAdd = (method: string, path: string, add: (body: ApiAnswer["body"], writer: number) => unknown) =>
    all((writer) => addUntilDone(method, path, (body) => add(body, writer)), RETRYING);
  const writers = Array.from({ length: RETRYING }, (_, writer) => writer);

  it("members of a robot's metadata", async () => {
    await allAdd("PATCH", robot, ({ unstructured_metadata: kept }, writer) => ({
      unstructured_metadata: { ...kept, [`w${writer}`]: writer },
    }));
    const { unstructured_metadata } = (await ask("GET", robot)).body;
    expect(unstructured_metadata).toEqual(Object.fromEntries(writers.map((writer) => [`w${writer}`, writer])));
  });

  it("entries of a federation", async () => {
    await ask("DELETE", federation);
    await allAdd("POST", federation, (list, writer) => [...list, trust(writer)]);
    const subjects = (await ask("GET", federation)).body.map(({ subject }: { subject: string }) => subject);
    expect(subjects.toSorted()).toEqual(writers.map((writer) => trust(writer).subject).toSorted());
  });

  it("further names of an organization", async () => {
    await ask("PATCH", acme, { repository_prefixes: [] });
    await allAdd("PATCH", acme, ({ repository_prefixes: names }, writer) => ({
      repository_prefixes: [...names, `old-${writer}`],
    }));
    const { repository_prefixes } = (await ask("GET", acme)).body;
    expect(repository_prefixes.toSorted()).toEqual(writers.map((writer) => `old-${writer}`).toSorted());
  });
});

interface Bound {
  readonly id: string;
  readonly version: number;
  readonly subject: string;
}

it("of two who replace one federation at once, one of the two stands whole, in its order", async () => {
  const lists = [
    [trust(3), trust(1), trust(2)],
    [trust(2, { claims: { ref: { equals: "refs/heads/main" } } }), trust(4)],
    [trust(1), trust(5), trust(4), trust(3)],
    [],
  ];
  const versions = (body: Bound[]) => body.map(({ id, version }) => `${id} ${version}`);
  for (const [round, one] of lists.flatMap((list) => lists.map((other) => [list, other] as const)).entries()) {
    const answers = await Promise.all(one.map((list) => ask("POST", federation, list)));
    expect(statuses(answers), `${round}`).toEqual([200, 200]);
    for (const [index, { body }] of answers.entries()) {
      expect(body.map(({ subject }: Bound) => subject)).toEqual(one[index]?.map(({ subject }) => subject));
    }
    const stored = (await ask("GET", federation)).body;
    expect(answers.map(({ body }) => versions(body))).toContainEqual(versions(stored));
  }
});

it("nobody waited for somebody who waited for them", () => {
  const log = instances.postgres.log.join("");
  expect(log).toContain("database system is ready");
  expect(log.match(/.*deadlock detected/g)).toBeNull();
});
