import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { expectProblem } from "../support/problems.ts";
import { type WatchedService, watchService } from "../support/watched-service.ts";

describe("the list of an organization's robots", () => {
  let berth: TestBerth;

  beforeAll(async () => {
    berth = await startBerth();
    await berth.api("POST", "/registries", { service: "second.example" });
    await berth.api("POST", "/organization/", { name: "acme" });
    await berth.api("PATCH", "/organization/acme", { repository_prefixes: ["legacy"] });
    await berth.createRobot("acme+builder", {
      grants: [
        { repository: "acme/web/app", actions: ["pull", "push"] },
        { repository: "acme/api", actions: ["pull"] },
        { repository: "legacy/tool", actions: ["pull", "push", "delete"] },
        { repository: "acme/*", actions: ["pull"] },
        { repository: "acme/sealed", actions: ["push"] },
        { repository: "foreign/app", actions: ["pull"] },
        { registry: "second.example", repository: "acme/elsewhere", actions: ["pull"] },
        { catalog: true },
      ],
    });
    await berth.createRobot("acme+idle");
  });

  afterAll(() => berth.remove());

  const list = async (query: string) => {
    const { status, body } = await berth.api("GET", `/organization/acme/robots${query}`);
    expect(status, JSON.stringify(body)).toBe(200);
    return body.robots;
  };

  it.each(["true", "True", "TRUE", "1"])("tells what they have a role on, as Quay's clients ask: %s", async (flag) => {
    const plain = await list("");
    expect(await list(`/?permissions=${flag}&token=false`)).toEqual([
      { ...plain[0], repositories: ["api", "web/app", "legacy/tool"], teams: [] },
      { ...plain[1], repositories: [], teams: [] },
    ]);
  });

  it.each(["?permissions=false", "?permissions=False", "?permissions=0", "?permissions=", "?token=true", "?token=1"])(
    "does not with %s, and shows no token ever",
    async (query) => {
      const plain = await list("");
      expect(await list(query)).toEqual(plain);
      for (const robot of plain) {
        expect(robot.token).toBeNull();
        expect(robot).not.toHaveProperty("repositories");
        expect(robot).not.toHaveProperty("teams");
      }
    },
  );

  it.each(["permissions", "token"])("takes no other %s", async (name) => {
    const answer = await berth.api("GET", `/organization/acme/robots?${name}=perhaps`);
    expectProblem(answer, 400, "invalid");
    expect(answer.body.errors).toEqual([{ path: [name], message: "must be true or false" }]);
  });
});

describe("the list of robots, with what they have a role on", () => {
  let postgres: TestPostgres;
  let service: WatchedService;

  beforeAll(async () => {
    postgres = await startPostgres();
    service = await watchService(await postgres.createDatabase("berth"));
    await service.sql`
      insert into organizations (id, name, created_at) select gen_random_uuid(), 'acme', now()`;
    await service.sql`
      insert into robots (id, organization_id, name, description, unstructured_metadata, created_at, created_by)
      select gen_random_uuid(), organizations.id, 'r' || n, '', '{}', now(), 'admin'
      from organizations, generate_series(1, 300) as n`;
    await service.sql`
      insert into grants (id, robot_id, registry_id, position, type, pattern, actions)
      select gen_random_uuid(), robots.id, registries.id, n, 'repository', 'acme/app-' || n, '{pull}'
      from robots, registries, generate_series(1, 3) as n`;
  });

  afterAll(async () => {
    await service.close();
    await postgres.remove();
  });

  it("takes as many statements for many as for one", async () => {
    const statements = async (limit: number) => {
      const from = service.statements.length;
      const { robots } = await (await service.get(`/organization/acme/robots?permissions=true&limit=${limit}`)).json();
      expect(robots).toHaveLength(limit);
      for (const robot of robots) expect(robot.repositories).toEqual(["app-1", "app-2", "app-3"]);
      return service.statements.length - from;
    };
    await statements(2);
    expect(await statements(300)).toBe(await statements(1));
  });
});
