import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { makePrincipal } from "../support/principals.ts";
import { expectProblem } from "../support/problems.ts";

let berth: TestBerth;
const other = "other.example";

/** What every robot holds; an underscore stands for any character where it is taken for a pattern of SQL. */
const held = {
  "acme+all": [{ repository: "*", actions: ["pull"] }],
  "acme+below": [{ repository: "acme/*", actions: ["push", "pull"] }],
  "acme+deep": [{ repository: "acme/team/*", actions: ["delete"] }],
  "acme+exact": [
    { repository: "acme/team/app", actions: ["pull"] },
    { registry: other, repository: "acme/team/app", actions: ["push"] },
  ],
  "acme+lookalike": [{ repository: "acme/te_m/app", actions: ["pull"] }],
  "acme+neighbour": [{ repository: "acme/teams/*", actions: ["pull"] }],
  "acme+catalog": [{ catalog: true }],
  "acme2+foreign": [{ repository: "acme/team/app", actions: ["pull", "push", "delete"] }],
  "acme2+own": [{ repository: "acme2/*", actions: ["pull"] }],
};

beforeAll(async () => {
  berth = await startBerth();
  await berth.api("POST", "/registries", { service: other });
  for (const [name, grants] of Object.entries(held)) await berth.createRobot(name, { grants });
});

afterAll(() => berth.remove());

/** Who is found, each with the pattern that its grant has; on another than the default registry, with that. */
async function find(query: string): Promise<string[]> {
  const { status, body } = await berth.api("GET", `/grants?${query}`);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.grants.map(
    ({ robot, registry, repository }: Record<string, string>) =>
      `${robot} ${repository}${registry === berth.host ? "" : ` ${registry}`}`,
  );
}

const wide = ["acme+all *", "acme+below acme/*"];

describe("who may do what to a repository", () => {
  it("is everybody whose grant covers it, whosever robot it is, on every registry", async () => {
    const { body } = await berth.api("GET", "/grants?repository=acme/team/app");
    expect(body).toEqual({
      grants: [
        { robot: "acme+all", registry: berth.host, repository: "*", actions: ["pull"] },
        { robot: "acme+below", registry: berth.host, repository: "acme/*", actions: ["pull", "push"] },
        { robot: "acme+deep", registry: berth.host, repository: "acme/team/*", actions: ["delete"] },
        { robot: "acme+exact", registry: berth.host, repository: "acme/team/app", actions: ["pull"] },
        { robot: "acme+exact", registry: other, repository: "acme/team/app", actions: ["push"] },
        {
          robot: "acme2+foreign",
          registry: berth.host,
          repository: "acme/team/app",
          actions: ["pull", "push", "delete"],
        },
      ],
    });
  });

  it("is told of one registry alone where that is asked for", async () => {
    expect(await find(`repository=acme/team/app&registry=${other}`)).toEqual([`acme+exact acme/team/app ${other}`]);
    expect(await find(`repository=acme/team/app&registry=${berth.host}`)).toHaveLength(5);
  });

  it.each([
    ["acme/else", wide],
    ["acme/te_m/app", [...wide, "acme+lookalike acme/te_m/app"]],
    ["acme/texm/app", wide],
    ["acme/team", wide],
    ["acme", ["acme+all *"]],
    ["nobodys/app", ["acme+all *"]],
  ])("of %s", async (repository, found) => {
    expect(await find(`repository=${repository}`)).toEqual(found);
  });

  const team = [
    "acme+deep acme/team/*",
    "acme+exact acme/team/app",
    `acme+exact acme/team/app ${other}`,
    "acme2+foreign acme/team/app",
  ];

  it.each([
    ["acme/team/*", [...wide, ...team]],
    ["acme/te_m/*", [...wide, "acme+lookalike acme/te_m/app"]],
    ["acme/teams/x/*", [...wide, "acme+neighbour acme/teams/*"]],
    ["acme2/*", ["acme+all *", "acme2+own acme2/*"]],
  ])("of any repository of %s", async (repository, found) => {
    expect((await find(`repository=${repository}`)).toSorted()).toEqual(found.toSorted());
  });

  it("is everybody with a grant on a repository where none is named", async () => {
    expect(await find("")).toHaveLength(9);
    expect(await find("repository=*")).toEqual(await find(""));
  });

  it("is told again after the robot went, and without it", async () => {
    await berth.createRobot("acme+brief", { grants: [{ repository: "acme/brief", actions: ["pull"] }] });
    expect(await find("repository=acme/brief")).toEqual([...wide, "acme+brief acme/brief"]);
    await berth.api("DELETE", "/organization/acme/robots/brief");
    expect(await find("repository=acme/brief")).toEqual(wide);
  });

  it.each(["acme/*/app", "acme/**", "acme/", "/acme", "Acme/app", "acme/app*", "%0A", "a".repeat(256)])(
    "is refused for %s, which names none",
    async (repository) => {
      const answer = await berth.api("GET", `/grants?repository=${repository}`);
      expect(expectProblem(answer, 400, "invalid")).toContain("repository must be a repository's name");
    },
  );

  it("is refused for a registry that is none, since nobody found would be no answer", async () => {
    const answer = await berth.api("GET", "/grants?repository=acme/app&registry=none.example");
    expect(expectProblem(answer, 400, "invalid")).toBe("registry is no registry of this service");
  });

  it("is an auditor's to know, and not an organization's", async () => {
    const auditor = await makePrincipal(berth, "auditor", { super_user: "read_only" });
    const boss = await makePrincipal(berth, "boss", { roles: { acme: "admin", acme2: "admin" } });
    expect((await auditor.api("GET", "/grants?repository=acme/app")).body.grants).toHaveLength(2);
    expectProblem(await boss.api("GET", "/grants?repository=acme/app"), 403, "forbidden");
  });
});

describe("a name that is to be freed", () => {
  const free = (name: string) => berth.api("DELETE", `/deleted-organizations/${name}`);
  const grant = (robot: string, repositories: readonly string[]) =>
    berth.api(
      "PUT",
      `/organization/acme/robots/${robot}/grants`,
      repositories.map((repository) => ({ repository, actions: ["pull"] })),
    );

  it.each(["left/app", "left/*", "left/team/*"])("stays taken while others hold grants on %s", async (repository) => {
    await berth.api("POST", "/organization/", { name: "left" });
    await berth.createRobot("acme+partner", { grants: [{ repository, actions: ["push"] }] });
    await berth.api("DELETE", "/organization/left");
    const told = expectProblem(await free("left"), 409, "conflict");
    expect(told).toContain(`acme+partner on ${repository} at ${berth.host}.`);
    expect(told).toContain("GET /api/v1/grants?repository=left/* shows all");
    await berth.api("DELETE", "/organization/acme/robots/partner");
    expect((await free("left")).status).toBe(204);
  });

  it("is no matter of grants on everything, on a name that begins like it, or of its own robots", async () => {
    await berth.createRobot("right+own", { grants: [{ repository: "right/*", actions: ["pull"] }] });
    await berth.createRobot("acme+bystander", {
      grants: ["*", "rightly/*", "right-hand/app", "right"].map((repository) => ({ repository, actions: ["pull"] })),
    });
    await berth.api("DELETE", "/organization/right");
    expect((await free("right")).status).toBe(204);
  });

  it("names ten of many", async () => {
    await berth.api("POST", "/organization/", { name: "popular" });
    await berth.createRobot("acme+many");
    await grant(
      "many",
      Array.from({ length: 11 }, (_, index) => `popular/app-${index}`),
    );
    await berth.api("DELETE", "/organization/popular");
    const told = expectProblem(await free("popular"), 409, "conflict");
    expect(told.match(/acme\+many on/g)).toHaveLength(10);
    expect(told).toContain(", and more.");
    await grant(
      "many",
      Array.from({ length: 10 }, (_, index) => `popular/app-${index}`),
    );
    expect(expectProblem(await free("popular"), 409, "conflict")).not.toContain("more");
    await grant("many", []);
    expect((await free("popular")).status).toBe(204);
  });
});
