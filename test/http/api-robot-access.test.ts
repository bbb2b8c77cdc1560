import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { openPostgres } from "../../src/ports/node/database.ts";
import { insertPrincipal, putApiToken } from "../../src/store/principals.ts";
import { sha256 } from "../../src/tokens/signing-key.ts";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { expectProblem } from "../support/problems.ts";

let berth: TestBerth;
let postgres: TestPostgres;
const memberToken = "a-token-of-somebody-who-is-no-superuser";
const grants = [{ repository: "acme/app", actions: ["pull"] }];

beforeAll(async () => {
  postgres = await startPostgres();
  const url = await postgres.createDatabase("access");
  berth = await startBerth({
    environment: { DATABASE_URL: url, BERTH_SECRET_KEY: randomBytes(32).toString("base64") },
  });
  const { db, close } = await openPostgres(new Secret(url));
  const [principalId, tokenId] = ["00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"];
  const createdAt = new Date();
  await insertPrincipal(db, { id: principalId, name: "member", superUser: false, createdAt });
  const tokenHash = await sha256(memberToken);
  await putApiToken(db, { id: tokenId, principalId, name: "t", tokenHash, createdAt, createdBy: "" });
  await close();
  await berth.createRobot("acme+ci", { grants });
});

afterAll(async () => {
  await berth.remove();
  await postgres.remove();
});

const robot = "/organization/acme/robots/ci";
const permissions = "/repository/acme/app/permissions/user";
const routes: [string, string, unknown?][] = [
  ["POST", `${robot}/regenerate`, {}],
  ["POST", `${robot}/regenerate?format=docker`, {}],
  ["DELETE", `${robot}/token`],
  ["GET", `${robot}/permissions`],
  ["GET", `${robot}/grants`],
  ["PUT", `${robot}/grants`, [{ repository: "*", actions: ["pull"] }]],
  ["PUT", "/organization/acme/robots/new", {}],
  ["PATCH", "/organization/acme", { robot_tokens: "never" }],
  ["PATCH", "/organization/acme", { repository_prefixes: ["other"] }],
  ["PUT", "/organization/acme", { anonymous_pull: [{ repository: "acme/*" }] }],
  ["GET", "/organization/acme"],
  ["GET", `${permissions}/`],
  ["GET", "/repository/none/app/permissions/user/"],
  ["GET", `${permissions}/acme+ci`],
  ["PUT", `${permissions}/acme+ci`, { role: "admin" }],
  ["DELETE", `${permissions}/acme+ci`],
];

function ask([method, path, body]: (typeof routes)[number], token?: string) {
  return call(`${berth.url}/api/v1${path}`, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

describe("tokens, settings, grants and permissions", () => {
  it.each(routes)("are nobody's without an API token: %s %s", async (...route) => {
    expectProblem(await ask(route), 401, "unauthenticated");
  });

  it.each(routes)("are not there for somebody without a role: %s %s", async (...route) => {
    expectProblem(await ask(route, memberToken), 404, "not_found");
  });

  it("stay as they were through all of that", async () => {
    const told = [{ registry: berth.host, ...grants[0] }];
    expect((await berth.api("GET", `${robot}/grants`)).body).toEqual(told);
    expect((await berth.api("GET", "/organization/acme")).body).toMatchObject({
      robot_tokens: "on_request",
      anonymous_pull: [],
      repository_prefixes: [],
    });
    await berth.api("DELETE", `${robot}/token`);
    const { body } = await berth.api("GET", "/logs?kind=delete_robot_token");
    expect(body.logs).toMatchObject([{ metadata: { ended: 0 } }]);
  });
});
