import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isName, isRepositoryName } from "../../src/domain/names.ts";
import { isService } from "../../src/domain/registry-settings.ts";
import { isRepositoryPattern } from "../../src/domain/scope.ts";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { expectProblem } from "../support/problems.ts";

/** What an editor shows green is what the service takes, as far as a document alone can tell. */

let berth: TestBerth;
let isOrganization: ValidateFunction;
let isWhole: ValidateFunction;
const issuer = "http://127.0.0.1:9/ci";
const pull = ["pull"];
const long = "a".repeat(256);

const whole = {
  settings: {
    email: "team@example.com",
    audiences: ["berth"],
    clients: null,
    robot_tokens: "never",
    anonymous_pull: [{ repository: "acme/public/*" }, { repository: "legacy/app" }],
    repository_prefixes: ["legacy", "older/", "oldest/team/*"],
  },
  members: { anna: "admin", "acme+ci": "reader" },
  robots: {
    ci: {
      description: "builds\nall",
      unstructured_metadata: { team: ["platform", { deep: null }] },
      disabled: false,
      federation: [
        {
          issuer,
          subject: "repo:acme/app:*",
          claims: { ref: { in: ["a", 1, true] } },
          expires_at: "2090-01-01T00:00:00Z",
        },
      ],
      grants: [
        { repository: "acme/app", actions: ["pull", "push", "delete"] },
        { repository: "*", actions: pull },
        { catalog: true },
      ],
    },
    "de.ploy_2-3": {},
  },
  prototypes: { "de.ploy_2-3": "write" },
};

beforeAll(async () => {
  berth = await startBerth();
  const ajv = new Ajv2020();
  formats.default(ajv);
  const compile = async (name: string) => ajv.compile((await call(`${berth.url}/schemas/${name}`)).body);
  [isOrganization, isWhole] = [await compile("organization-state.json"), await compile("state.json")];
  await berth.api("POST", "/principals", { name: "anna" });
  await berth.api("POST", "/organization/", { name: "acme" });
});

afterAll(() => berth.remove());

const tryOrganization = (document: unknown) => berth.api("PUT", "/organization/acme/state?dry_run=true", document);
const tryService = (document: unknown) => berth.api("PUT", "/state?dry_run=true", document);

function expectValid(validate: ValidateFunction, document: unknown): void {
  expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
}

describe("the JSON Schema of a document", () => {
  it("takes what the service takes, and what it gives", async () => {
    const $schema = `${berth.url}/schemas/organization-state.json`;
    expectValid(isOrganization, { $schema, ...whole });
    expect((await berth.api("PUT", "/organization/acme/state", { $schema, ...whole })).status).toBe(200);
    expectValid(isOrganization, (await berth.api("GET", "/organization/acme/state")).body);
    const service = {
      issuers: [{ issuer: "https://ci.example", name: "the CI", algorithms: ["ES256"] }],
      registries: { "registry.example:5000": { key_profile: "kid", rotation_days: 0 } },
      principals: { terraform: { description: "applies", super_user: "read_only" } },
      organizations: { acme: { members: {}, unlisted: "keep" }, "acme-2": { robots: { ci: {} } } },
      unlisted: "keep",
    };
    expectValid(isWhole, service);
    expect((await berth.api("PUT", "/state", service)).status).toBe(200);
    expectValid(isWhole, (await berth.api("GET", "/state")).body);
  });

  const inRobot = (part: object) => ({ robots: { ci: part } });
  const inBinding = (part: object) => inRobot({ federation: [{ issuer, subject: "job", ...part }] });

  it.each<[string, object]>([
    ["another section", { teams: {} }],
    ["a setting that is none", { settings: { mail: null } }],
    ["a prefix that is no name", { settings: { repository_prefixes: ["UPPER!!"] } }],
    ["a prefix below a star", { settings: { repository_prefixes: ["a/*/b"] } }],
    ["an empty prefix", { settings: { repository_prefixes: [""] } }],
    ["pulls of no repository", { settings: { anonymous_pull: [{ repository: "acme/" }] } }],
    ["pulls of all", { settings: { anonymous_pull: [{ repository: "*" }] } }],
    ["a member of no name", { members: { "Anna B": "reader" } }],
    ["a member whose plus is none", { members: { "acme ci": "reader" } }],
    ["a member of two pluses", { members: { "acme+ci+x": "reader" } }],
    ["a role that is none", { members: { anna: "owner" } }],
    ["a robot in full", { robots: { "acme+ci": {} } }],
    ["a robot of one letter", { robots: { a: {} } }],
    ["a robot of no letter", { robots: { "": {} } }],
    ["a robot of capitals", { robots: { CI: {} } }],
    ["a robot of a long name", { robots: { [long]: {} } }],
    ["a prototype of no robot's name", { prototypes: { "c i": "read" } }],
    ["no issuer", inBinding({ issuer: "" })],
    ["a long issuer", inBinding({ issuer: `https://ci.example/${"a".repeat(600)}` })],
    ["no subject", inBinding({ subject: "" })],
    ["a long subject", inBinding({ subject: "s".repeat(601) })],
    ["a condition that is two", inBinding({ claims: { ref: { equals: "a", prefix: "a/" } } })],
    ["a time that is none", inBinding({ expires_at: "2026-13-01T00:00:00Z" })],
    ["a misspelt member of a binding", inBinding({ audience: ["x"] })],
    ["a grant on nothing", inRobot({ grants: [{ repository: "", actions: pull }] })],
    ["a grant on capitals", inRobot({ grants: [{ repository: "acme/App", actions: pull }] })],
    ["a grant on a star in the middle", inRobot({ grants: [{ repository: "acme/*/app", actions: pull }] })],
    ["a grant of nothing", inRobot({ grants: [{ repository: "acme/app", actions: [] }] })],
    ["a grant of something else", inRobot({ grants: [{ repository: "acme/app", actions: ["*"] }] })],
  ])("refuses %s, as the service does", async (_, document) => {
    expect(isOrganization(document)).toBe(false);
    expectProblem(await tryOrganization(document), 400, "invalid");
    expect(isWhole({ organizations: { acme: document } })).toBe(false);
  });

  it.each<[string, object]>([
    ["an organization of capitals", { organizations: { Acme: {} } }],
    ["an organization of one letter", { organizations: { a: {} } }],
    ["a principal of no name", { principals: { "a b": {} } }],
    ["a principal's roles", { principals: { anna: { roles: {} } } }],
    ["a registry of no name", { registries: { "": {} } }],
    ["a registry with a space", { registries: { "a b": {} } }],
    ["a registry of two dots", { registries: { "..": {} } }],
    ["a registry of a long name", { registries: { [long]: {} } }],
    ["an issuer without its string", { issuers: [{ name: "x" }] }],
    ["an issuer of an empty string", { issuers: [{ issuer: "" }] }],
    ["something unlisted that is neither", { unlisted: "ask" }],
  ])("of the service refuses %s, as the service does", async (_, document) => {
    expect(isWhole(document)).toBe(false);
    expectProblem(await tryService(document), 400, "invalid");
  });

  const text = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'aZ0._-/*+ \\"é'), maxLength: 12 }),
    fc.constantFrom("..", "acme/app", "a/*", "*", "a".repeat(255), "a".repeat(258)),
  );

  it("knows the same names as the service", () => {
    const takes = (document: object) => isOrganization(document);
    fc.assert(
      fc.property(text, (name) => {
        expect(takes({ robots: { [name]: {} } }), name).toBe(isName(name));
        expect(takes(inRobot({ grants: [{ repository: name, actions: pull }] })), name).toBe(isRepositoryPattern(name));
        expect(takes({ settings: { repository_prefixes: [name] } }), name).toBe(
          isRepositoryName(name.replace(/\/\*?$/, "")),
        );
        expect(isWhole({ registries: { [name]: {} } }), name).toBe(isService(name));
        expect(isWhole({ principals: { [name]: {} } }), name).toBe(isName(name));
      }),
      { numRuns: 3000 },
    );
  });
});
