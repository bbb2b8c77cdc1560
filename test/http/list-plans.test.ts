import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { crowd, crowded, everywhere, largeTables } from "../support/crowd.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { explain, type PlanNode } from "../support/query-plan.ts";
import { type Statement, type WatchedService, watchService } from "../support/watched-service.ts";

const PAGE = 50;
/** Rows that a page may read of a large table, or sort, for each that it shows. */
const READ_FOR_EACH = 20;

const organization = `/organization/${crowded}`;
const quiet = "/organization/org-0007";
const shared = "issuer=https://ci-4.example";

/** What is asked of each list, by its path in the description of the API. */
const lists: Readonly<Record<string, readonly string[]>> = {
  "/organization": ["/organization?"],
  "/deleted-organizations": ["/deleted-organizations?"],
  "/organization/{org}/members": [`${organization}/members?`, `${quiet}/members?`],
  "/organization/{org}/prototypes": [`${organization}/prototypes?`],
  "/organization/{org}/robots": [
    `${organization}/robots?`,
    `${organization}/robots?permissions=true`,
    `${quiet}/robots?`,
  ],
  "/organization/{org}/robots/{robot}/usage": [
    `${organization}/robots/robot-1/usage?`,
    `${organization}/robots/robot-2/usage?`,
  ],
  "/principals": ["/principals?"],
  "/issuers": ["/issuers?", `/issuers?${shared}`],
  "/registries": ["/registries?"],
  "/bindings": [
    "/bindings?",
    "/bindings?issuer=https://ci-1.example",
    "/bindings?issuer=https://none.example",
    `/bindings?${shared}`,
    "/bindings?subject=repo:acme/app-7",
    `/bindings?${shared}&subject=repo:acme/app-7`,
  ],
  "/grants": [
    "/grants?",
    `/grants?repository=${crowded}/app-6`,
    `/grants?repository=${crowded}/shared-1/deep/er&registry=127.0.0.1:8080`,
    `/grants?repository=${crowded}/*`,
    "/grants?repository=org-0007/*",
    "/grants?repository=org-0007/app",
  ],
  "/organization/{org}/logs": [
    `${organization}/logs?`,
    `${organization}/logs?kind=kind_3`,
    `${organization}/logs?outcome=refused`,
    `${organization}/logs?actor=principal-9`,
    `${organization}/logs?robot=${crowded}%2Brobot-77`,
    `${quiet}/logs?`,
    "/organization/org-0008/logs?",
  ],
  "/logs": [
    "/logs?",
    "/logs?kind=kind_3",
    "/logs?kind=none",
    "/logs?outcome=refused",
    "/logs?actor=principal-9",
    "/logs?organization=org-0007",
    `/logs?robot=${crowded}%2Brobot-77`,
    "/logs?request_id=request-9",
    "/logs?starttime=2020-01-01T00:00:00Z",
    "/logs?endtime=2020-01-01T00:00:00Z",
  ],
};

let postgres: TestPostgres;
let service: WatchedService;

beforeAll(async () => {
  postgres = await startPostgres();
  service = await watchService(await postgres.createDatabase("berth"));
  await crowd(service.sql);
});

afterAll(async () => {
  await service.close();
  await postgres.remove();
});

/** What two pages of a list send to the database. */
async function statementsOf(path: string, token?: string): Promise<Statement[]> {
  const from = service.statements.length;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  for (let turn = 0, next = ""; turn < 2; turn += 1) {
    const answer = await service.get(`${path}&limit=${PAGE}${next}`, headers);
    const body = await answer.json();
    expect(answer.status, JSON.stringify(body)).toBe(200);
    if (!body.next_page) break;
    next = `&next_page=${body.next_page}`;
  }
  return service.statements.slice(from).filter(({ query }) => !query.startsWith("update"));
}

async function expectFrugal(statement: Statement): Promise<void> {
  const plan = await explain(service.sql, statement);
  const told = `${statement.query}\n${plan.text}`;
  const most = Math.max(PAGE * READ_FOR_EACH, 2 * plan.root.rows);
  for (const node of plan.nodes) {
    if (node.relation !== undefined && largeTables.includes(node.relation)) {
      expect(node.type, told).not.toBe("Seq Scan");
      expect(node.rows + node.removed, told).toBeLessThanOrEqual(most);
    }
    if (node.type.endsWith("Sort")) expect(sortedRows(node), told).toBeLessThanOrEqual(most);
  }
}

function sortedRows({ children }: PlanNode): number {
  return children.reduce((sum, { rows }) => sum + rows, 0);
}

describe("among 100,000 robots, 200,000 bindings and 200,000 audit records", () => {
  it("every list that there is is looked at", async () => {
    const { paths } = await (await service.document()).json();
    const described = Object.entries<{ get?: { parameters?: readonly { readonly name: string }[] } }>(paths)
      .filter(([, { get }]) => get?.parameters?.some(({ name }) => name === "next_page"))
      .map(([path]) => path.replace("/api/v1", ""));
    expect(Object.keys(lists).toSorted()).toEqual(described.toSorted());
  });

  it.each(Object.values(lists).flat())("no page of %s reads much more than it shows", async (path) => {
    for (const statement of await statementsOf(path)) await expectFrugal(statement);
  });

  it.each([
    "/organization?",
    `${organization}/robots?permissions=true`,
    `${organization}/members?`,
    `${organization}/logs?`,
    `/principals/${everywhere.name}?`,
    `/principals/${everywhere.name}/tokens?`,
    `/repository/${crowded}/shared-1/permissions/user/?`,
    "/user?",
  ])("nor does %s for somebody with a role in every organization", async (path) => {
    const statements = await statementsOf(path, everywhere.token);
    expect(statements.length).toBeGreaterThan(1);
    for (const statement of statements) await expectFrugal(statement);
  });
});
