import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError } from "../../src/config.ts";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { type Dump, openDump } from "../support/dump.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

/** `BERTH_STATE_FILE` at a real start, on a real PostgreSQL. */

let postgres: TestPostgres;
let folder: string;
let file: string;
let environment: Record<string, string>;
let dump: Dump;

beforeAll(async () => {
  [postgres, folder] = await Promise.all([startPostgres(), mkdtemp(join(tmpdir(), "berth-state-"))]);
  file = join(folder, "state.json");
  environment = {
    DATABASE_URL: await postgres.createDatabase("state_file"),
    BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
    BERTH_ADMIN_TOKEN: "an-admin-token-beside-a-state-file",
    BERTH_REGISTRY_SERVICE: "registry.example",
  };
  await (await startBerth({ environment })).remove();
  dump = openDump(environment.DATABASE_URL as string);
});

afterAll(async () => {
  await dump.close();
  await postgres.remove();
  await rm(folder, { recursive: true });
});

type Logged = Readonly<Record<string, unknown>>;

/** Starts with a document, and stops again. */
async function start(document: unknown, look: (berth: TestBerth) => Promise<void> = async () => {}): Promise<Logged[]> {
  await writeFile(file, typeof document === "string" ? document : JSON.stringify(document));
  const berth = await startBerth({ environment: { ...environment, BERTH_STATE_FILE: file } });
  try {
    await look(berth);
  } finally {
    await berth.remove();
  }
  return berth.log.map((line) => JSON.parse(line)).filter(({ message }) => message?.startsWith("the state file"));
}

/** Why a start is refused, which has changed nothing. */
async function expectRefused(document: string | Uint8Array): Promise<readonly string[]> {
  const before = await dump.tables(["api_tokens"]);
  await writeFile(file, document);
  const refused = await startBerth({ environment: { ...environment, BERTH_STATE_FILE: file } }).catch((error) => error);
  expect(refused).toBeInstanceOf(ConfigError);
  for (const problem of refused.problems) expect(problem).toMatch(/^BERTH_STATE_FILE\b/);
  expect(await dump.tables(["api_tokens"])).toEqual(before);
  return refused.problems;
}

const issuer = "http://127.0.0.1:9/ci";
const document = {
  issuers: [{ issuer, max_token_age: 600 }],
  principals: { terraform: { description: "of the platform team" } },
  organizations: {
    acme: {
      members: { terraform: "admin" },
      robots: {
        ci: { federation: [{ issuer, subject: "job" }], grants: [{ repository: "acme/*", actions: ["pull", "push"] }] },
      },
    },
  },
};

describe("a state file", () => {
  it("is applied before the service answers, and its changes are told and recorded", async () => {
    const told = await start(document, async ({ api }) => {
      expect((await api("GET", "/organization/acme/state")).body).toMatchObject({
        members: { terraform: "admin" },
        robots: { ci: { federation: [{ issuer, subject: "job" }] } },
        prototypes: { ci: "write" },
      });
      const { logs } = (await api("GET", "/logs?limit=500")).body;
      const ofFile = logs.filter(
        ({ performer }: { performer: { name: string } }) => performer?.name === "BERTH_STATE_FILE",
      );
      expect(ofFile.map(({ kind }: { kind: string }) => kind)).toEqual(
        expect.arrayContaining([
          "put_state",
          "create_issuer",
          "create_principal",
          "org_create",
          "create_robot",
          "put_member",
        ]),
      );
      expect(new Set(ofFile.map(({ request_id }: { request_id: string }) => request_id)).size).toBe(1);
    });
    expect(told.slice(0, -1).map(({ action, kind, name }) => `${action} ${kind} ${name}`)).toEqual(
      expect.arrayContaining([`create issuer ${issuer}`, "create principal terraform", "create robot acme+ci"]),
    );
    expect(told.at(-1)).toMatchObject({ message: "the state file is applied", changes: told.length - 1 });
  });

  it("changes nothing at the next start, and what was changed in it at the one after", async () => {
    const before = await dump.tables(["api_tokens"]);
    expect(await start(document)).toMatchObject([{ changes: 0 }]);
    expect(await dump.tables(["api_tokens"])).toEqual(before);
    const changed = structuredClone(document);
    changed.principals.terraform.description = "of another team";
    expect(await start(changed)).toMatchObject([
      { action: "change", kind: "principal", name: "terraform" },
      { changes: 1 },
    ]);
    expect(await start("{}")).toMatchObject([{ changes: 0 }]);
  });

  it("puts back what somebody changed beside it, and leaves what it does not list", async () => {
    await start(document, async ({ api }) => {
      await api("PATCH", "/organization/acme/robots/ci", { description: "by hand" });
      await api("PUT", "/organization/acme/robots/other", {});
      await api("POST", "/organization/", { name: "beside" });
    });
    const said = structuredClone(document) as { organizations: Record<string, unknown> };
    said.organizations.acme = { robots: { ci: { description: "" } } };
    expect(await start(said)).toMatchObject([{ action: "change", kind: "robot", name: "acme+ci" }, { changes: 1 }]);
    const rendered = { issuers: [], registries: {}, principals: {}, organizations: {} };
    expect(await start(rendered)).toMatchObject([{ changes: 0 }]);
    await start({}, async ({ api }) => {
      const { body } = await api("GET", "/state");
      expect(Object.keys(body.organizations)).toEqual(["acme", "beside"]);
      expect(Object.keys(body.organizations.acme.robots)).toEqual(["ci", "other"]);
    });
  });

  it("is applied once by two instances that start together", async () => {
    await writeFile(file, JSON.stringify({ organizations: { together: { robots: { ci: {} } } } }));
    const starting = () => startBerth({ environment: { ...environment, BERTH_STATE_FILE: file } });
    const instances = await Promise.all([starting(), starting(), starting()]);
    try {
      const { logs } = (await (instances[0] as TestBerth).api("GET", "/logs?kind=org_create&organization=together"))
        .body;
      expect(logs).toHaveLength(1);
      const counts = instances.map(({ log }) => {
        const line = log.map((one) => JSON.parse(one)).find(({ message }) => message === "the state file is applied");
        return line.changes;
      });
      expect(counts.toSorted()).toEqual([0, 0, 2]);
    } finally {
      await Promise.all(instances.map((one) => one.remove()));
    }
  });
});

describe("a start is refused, and nothing changed, by a state file", () => {
  it.each<[string, string | Uint8Array, RegExp]>([
    ["that is no JSON", "{organizations: {}}", /not valid JSON/],
    ["that is empty", "", /not valid JSON/],
    ["that is YAML", "organizations:\n  acme: {}\n", /not valid JSON/],
    ["that is no UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), /UTF-8/],
    ["that is an array", "[]", /./],
    ["that names a thing twice", '{"organizations":{"x1":{},"x1":{"robots":{}}}}', /twice/],
    [
      "with a condition that nobody reads",
      `{"organizations":{"acme":{"robots":{"ci":{"federation":[{"issuer":"${issuer}","subject":"x","claims":{"__proto__":{"equals":"y"}}}]}}}}}`,
      /cannot be named so/,
    ],
    [
      "with a robot that cannot be named so",
      '{"organizations":{"acme":{"robots":{"__proto__":{}}}}}',
      /cannot be named so/,
    ],
    [
      "with a number that readers round",
      '{"organizations":{"acme":{"robots":{"ci":{"unstructured_metadata":{"n":12345678901234567890}}}}}}',
      /2\^53/,
    ],
    [
      "with a text that the database cannot keep",
      String.raw`{"organizations":{"acme":{"robots":{"ci":{"unstructured_metadata":{"n":"\u0000"}}}}}}`,
      /organizations acme robots ci unstructured_metadata n must not hold NUL/,
    ],
    [
      "that is nested too deep",
      `{"organizations":${'{"acme":'.repeat(3000)}1${"}".repeat(3001)}`,
      /must not be nested deeper than/,
    ],
  ])("%s", async (_, text, told) => {
    const problems = await expectRefused(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(told);
  });

  it("with every problem of its shape at once", async () => {
    const problems = await expectRefused(
      JSON.stringify({
        organization: {},
        issuers: [{}],
        organizations: { acme: { robots: { ci: { grants: [{}] } } } },
      }),
    );
    expect(problems.map((problem) => problem.split(" ").slice(0, -1).join(" "))).toHaveLength(3);
    expect(problems.join("\n")).toMatch(/issuers 0 issuer/);
    expect(problems.join("\n")).toMatch(/organizations acme robots ci grants 0/);
  });

  it("with every problem of what it says at once", async () => {
    const problems = await expectRefused(
      JSON.stringify({
        principals: { admin: {}, fine: {} },
        organizations: {
          fine: {},
          "Not a name": {},
          acme: { members: { nobody: "admin" }, prototypes: { absent: "read" } },
        },
      }),
    );
    expect(problems).toEqual([
      expect.stringMatching(/^BERTH_STATE_FILE: principals admin /),
      expect.stringMatching(/^BERTH_STATE_FILE: organizations Not a name name /),
      expect.stringMatching(/^BERTH_STATE_FILE: organizations acme prototypes absent /),
      expect.stringMatching(/^BERTH_STATE_FILE: organizations acme members nobody /),
    ]);
  });

  it("that conflicts with what is there", async () => {
    const problems = await expectRefused(
      JSON.stringify({ organizations: { other: { settings: { repository_prefixes: ["acme"] } } } }),
    );
    expect(problems).toEqual([expect.stringMatching(/^BERTH_STATE_FILE: organizations other settings .*acme/)]);
  });

  it("that is not there, or no file", async () => {
    for (const path of [join(folder, "absent.json"), folder]) {
      const started = startBerth({ environment: { ...environment, BERTH_STATE_FILE: path } });
      await expect(started).rejects.toThrow(/^BERTH_STATE_FILE /);
    }
  });
});
