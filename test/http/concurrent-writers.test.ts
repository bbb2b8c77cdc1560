import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ApiAnswer } from "../support/berth.ts";
import { type Instances, startInstances } from "../support/instances.ts";
import { startIssuer, type TestIssuer } from "../support/issuer.ts";

/** Fifty writers at two instances on one PostgreSQL. */
const WRITERS = 50;
/** What each does where all do anything. */
const TURNS = 9;

let instances: Instances;
let issuer: TestIssuer;
const ask: Instances["ask"] = (...call) => instances.ask(...call);

beforeAll(async () => {
  [instances, issuer] = await Promise.all([startInstances(), startIssuer()]);
  expect((await ask("POST", "/organization/", { name: "acme" })).status).toBe(201);
});

afterAll(async () => {
  await Promise.all([instances.remove(), issuer.close()]);
});

const all = <T>(work: (writer: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: WRITERS }, (_, writer) => work(writer)));
const count = (answers: readonly ApiAnswer[], status: number) =>
  answers.filter((answer) => answer.status === status).length;
const prototypes = "/organization/acme/prototypes";
const robotPath = (name: string) => `/organization/acme/robots/${name}`;
const trust = (branch: number, more: object = {}) => ({
  issuer: issuer.url,
  subject: `repo:acme/app:ref:refs/heads/b${branch}`,
  ...more,
});

/** Throws the same in each run, and another for each writer. */
function makeDice(writer: number) {
  let state = 7919 * (writer + 1);
  return <T>(sides: readonly T[]) => {
    state = (state * 48_271) % 0x7fff_ffff;
    return sides[state % sides.length];
  };
}

async function makeRobot(name: string): Promise<string> {
  expect((await ask("PUT", robotPath(name), {})).status).toBe(201);
  return robotPath(name);
}

describe("of fifty who create the same", () => {
  it.each<[string, () => [string, string, unknown], number]>([
    ["robot", () => ["PUT", robotPath("same"), {}], 400],
    ["organization", () => ["POST", "/organization/", { name: "same" }], 400],
    ["binding", () => ["POST", `${robotPath("same")}/federation/bindings`, trust(1)], 409],
    ["principal", () => ["POST", "/principals", { name: "same" }], 409],
  ])("%s, one does and the others hear that it is there", async (_, request, refused) => {
    const answers = await all(() => ask(...request()));
    expect([count(answers, 201), count(answers, refused)]).toEqual([1, WRITERS - 1]);
  });

  it("default permission, all get the one that there is", async () => {
    const delegate = { name: "acme+same", kind: "user" };
    const answers = await all(() => ask("POST", prototypes, { role: "read", delegate }));
    expect(count(answers, 200)).toBe(WRITERS);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  });

  it("thing with one Idempotency-Key, all get the one that was made, and one its secret", async () => {
    const key = (name: string) => ({ "idempotency-key": `fifty-times-one-${name}` });
    const bindings = await all(() => ask("POST", `${robotPath("same")}/federation/bindings`, trust(2), key("binding")));
    expect([count(bindings, 201), new Set(bindings.map(({ body }) => body.id)).size]).toEqual([WRITERS, 1]);
    const tokens = await all(() => ask("POST", `${robotPath("same")}/regenerate`, {}, key("token")));
    expect(count(tokens, 200)).toBe(WRITERS);
    expect(tokens.filter(({ body }) => body.token !== null)).toHaveLength(1);
  });
});

describe("of fifty who each add their own, none is lost:", () => {
  it("bindings", async () => {
    const federation = `${await makeRobot("bound")}/federation`;
    const answers = await all((writer) => ask("POST", `${federation}/bindings`, trust(writer)));
    expect(count(answers, 201)).toBe(WRITERS);
    const subjects = (await ask("GET", federation)).body.map(({ subject }: { subject: string }) => subject);
    expect(subjects.toSorted()).toEqual(
      Array.from({ length: WRITERS }, (_, writer) => trust(writer).subject).toSorted(),
    );
  });

  it("permissions", async () => {
    const robot = await makeRobot("permitted");
    const user = "permissions/user/acme+permitted";
    await all((writer) => ask("PUT", `/repository/acme/r${writer}/${user}`, { role: "read" }));
    const answers = await all((writer) =>
      writer % 2
        ? ask("DELETE", `/repository/acme/r${writer}/${user}`)
        : ask("PUT", `/repository/acme/r${writer}/${user}`, { role: "write" }),
    );
    expect([count(answers, 200), count(answers, 204)]).toEqual([WRITERS / 2, WRITERS / 2]);
    const { permissions } = (await ask("GET", `${robot}/permissions`)).body;
    expect(permissions.map(({ role }: { role: string }) => role)).toEqual(Array(WRITERS / 2).fill("write"));
  });

  it("tokens that overlap, up to as many as there may be", async () => {
    const robot = await makeRobot("overlapping");
    const answers = await all(() => ask("POST", `${robot}/regenerate`, { keep_old_seconds: 600 }));
    expect([count(answers, 200), count(answers, 409)]).toEqual([10, WRITERS - 10]);
  });
});

describe("while fifty change everything of one organization at once", () => {
  const lasting = Array.from({ length: 5 }, (_, index) => `lasting-${index}`);
  const fleeting = Array.from({ length: 3 }, (_, index) => `fleeting-${index}`);
  const nobody = "00000000-0000-7000-8000-000000000000";
  const federation = (robot: string) => `${robotPath(robot)}/federation`;
  const permission = (robot: string, turn: number) => `/repository/acme/r${turn % 4}/permissions/user/acme+${robot}`;

  /** What each writer does in turn, to a robot that may be gone, and the answers that there can be. */
  const works: Record<string, [allowed: number[], work: (robot: string, turn: number) => Promise<ApiAnswer>]> = {
    describe: [[200, 404], (robot, turn) => ask("PATCH", robotPath(robot), { description: `${turn}` })],
    federate: [
      [200, 404, 409],
      (robot, turn) => ask("POST", federation(robot), [trust(turn % 3), trust(3, { token_ttl: 60 + turn })]),
    ],
    bind: [
      [201, 404, 409],
      (robot, turn) => ask("POST", `${federation(robot)}/bindings`, trust(turn % 5, { token_ttl: 60 + turn })),
    ],
    rebind: [
      [200, 404],
      async (robot, turn) => {
        const [binding] = [(await ask("GET", federation(robot))).body].flat();
        return ask("PATCH", `${federation(robot)}/bindings/${binding?.id ?? nobody}`, { description: `${turn}` });
      },
    ],
    unbind: [[204, 404], (robot) => ask("DELETE", federation(robot))],
    grant: [
      [200, 404],
      (robot, turn) =>
        ask("PUT", `${robotPath(robot)}/grants`, [
          { repository: "acme/*", actions: ["pull"] },
          { repository: `acme/r${turn % 4}`, actions: ["pull", "push"] },
        ]),
    ],
    permit: [[200, 404], (robot, turn) => ask("PUT", permission(robot, turn), { role: "admin" })],
    forbid: [[204, 404], (robot, turn) => ask("DELETE", permission(robot, turn))],
    permitAll: [
      [200, 400],
      (robot) => ask("POST", prototypes, { role: "write", delegate: { name: `acme+${robot}`, kind: "user" } }),
    ],
    forbidAll: [
      [204, 404],
      async (_, turn) => {
        const { body } = await ask("GET", prototypes);
        return ask("DELETE", `${prototypes}/${body.prototypes[turn % 5]?.id ?? nobody}`);
      },
    ],
    widen: [[200, 400], (_, turn) => ask("PATCH", "/organization/acme", { repository_prefixes: prefixes(turn) })],
    open: [
      [200, 400],
      (_, turn) => ask("PATCH", "/organization/acme", { anonymous_pull: turn % 2 ? [{ repository: "legacy/x" }] : [] }),
    ],
    regenerate: [[200, 404], (robot) => ask("POST", `${robotPath(robot)}/regenerate`, {})],
    promote: [[200, 404], (robot) => ask("PUT", `/organization/acme/members/acme+${robot}`, { role: "reader" })],
    declare: [
      [200],
      (_, turn) =>
        ask("PUT", "/organization/acme/state", {
          settings: { email: `${turn}@acme.example` },
          robots: Object.fromEntries(lasting.map((robot) => [robot, { description: `${turn}` }])),
          prototypes: { [lasting[turn % 5] ?? ""]: "read" },
          unlisted: "keep",
        }),
    ],
    create: [[201, 400], (_, turn) => ask("PUT", robotPath(fleeting[turn % 3] ?? ""), {})],
    delete: [[204, 404], (_, turn) => ask("DELETE", robotPath(fleeting[turn % 3] ?? ""))],
  };
  const prefixes = (turn: number) => (turn % 2 ? ["legacy"] : []);

  it("all are answered, and what is left is what the answers told", async () => {
    await Promise.all(lasting.map(makeRobot));
    const robots = [...lasting, ...fleeting];
    const kinds = Object.keys(works);
    const balance = new Map(fleeting.map((robot) => [robot, 0]));
    const done = new Set<string>();
    const odd: string[] = [];
    await all(async (writer) => {
      const dice = makeDice(writer);
      for (let round = 0; round < TURNS; round += 1) {
        const [kind, robot, turn] = [dice(kinds) ?? "", dice(robots) ?? "", round + writer];
        const [allowed, work] = works[kind] ?? [];
        const { status, body } = (await work?.(robot, turn)) ?? { status: 0 };
        if (!allowed?.includes(status)) odd.push(`${kind}: ${status} ${JSON.stringify(body)}`);
        if (status < 300) done.add(kind);
        const change = { create: status === 201 ? 1 : 0, delete: status === 204 ? -1 : 0 }[kind] ?? 0;
        const changed = fleeting[turn % 3] ?? "";
        balance.set(changed, (balance.get(changed) ?? 0) + change);
      }
    });
    expect(odd).toEqual([]);
    expect(done).toEqual(new Set(kinds));
    for (const [robot, left] of balance) {
      expect((await ask("GET", robotPath(robot))).status, robot).toBe(left === 1 ? 200 : 404);
    }
    for (const robot of lasting) {
      const grants = (await ask("GET", `${robotPath(robot)}/grants`)).body;
      const repositories = grants.map(({ repository }: { repository: string }) => repository);
      expect(new Set(repositories).size).toBe(repositories.length);
    }
    const { anonymous_pull, repository_prefixes } = (await ask("GET", "/organization/acme")).body;
    if (anonymous_pull.length > 0) expect(repository_prefixes).toEqual(["legacy"]);
  });

  it("one deletes it, another makes the next, and nobody is left in what is gone", async () => {
    for (let round = 0; round < 3; round += 1) {
      const gone = `/organization/gone-${round}`;
      const next = `gone-${round + 1}`;
      if (round === 0) await ask("POST", "/organization/", { name: "gone-0" });
      await ask("PUT", `${gone}/robots/ci`, {});
      const answers = await all((writer) => {
        if (writer === 20) return ask("DELETE", gone);
        if (writer === 21) return ask("POST", "/organization/", { name: next });
        const changes: [string, string, unknown][] = [
          ["PUT", `${gone}/robots/late-${writer}`, {}],
          ["POST", `${gone}/robots/ci/federation`, [trust(writer)]],
          ["PATCH", gone, { anonymous_pull: [{ repository: `gone-${round}/*` }] }],
          ["PATCH", gone, { repository_prefixes: [`old-${round}-${writer}`] }],
          ["POST", `${gone}/prototypes`, { role: "read", delegate: { name: `gone-${round}+ci`, kind: "user" } }],
          ["PUT", `${gone}/robots/ci/grants`, [{ repository: `gone-${round}/a`, actions: ["pull"] }]],
        ];
        return ask(...(changes[writer % changes.length] as [string, string, unknown]));
      });
      expect([answers[20]?.status, answers[21]?.status]).toEqual([204, 201]);
      const others = answers.filter((_, writer) => writer !== 20 && writer !== 21);
      expect(others.filter(({ status }) => ![200, 201, 404].includes(status))).toEqual([]);
      expect((await ask("GET", `${gone}/robots/ci`)).status).toBe(404);
    }
  });
});

it("nobody waited for somebody who waited for them", () => {
  const log = instances.postgres.log.join("");
  expect(log).toContain("database system is ready");
  expect(log.match(/.*deadlock detected/g)).toBeNull();
});
