import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { openPostgres } from "../../src/ports/node/database.ts";
import { insertPrincipal, putApiToken } from "../../src/store/principals.ts";
import { sha256 } from "../../src/tokens/signing-key.ts";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { subject } from "../support/issuer.ts";
import { makeRobot, register } from "../support/issuers.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { expectProblem } from "../support/problems.ts";
import { createSigner } from "../support/signer.ts";

let berth: TestBerth;
let postgres: TestPostgres;
let id: string;
const issuer = "https://cluster.invalid";
const memberToken = "a-token-of-somebody-who-is-no-superuser";

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
  const { jwk } = await createSigner(issuer);
  ({ id } = await register(berth, issuer, { jwks: { keys: [jwk] } }));
  await makeRobot(berth, { issuer, subject });
});

afterAll(async () => {
  await berth.remove();
  await postgres.remove();
});

const routes: [string, string, unknown?][] = [
  ["GET", "/issuers"],
  ["POST", "/issuers", { issuer: "https://other.invalid" }],
  ["GET", "/issuers/ID"],
  ["PATCH", "/issuers/ID", { disabled: true }],
  ["DELETE", "/issuers/ID"],
  ["DELETE", "/issuers/ID?cascade=true"],
  ["POST", "/issuers/ID/refresh"],
];

function ask([method, path, body]: (typeof routes)[number], token?: string) {
  return call(`${berth.url}/api/v1${path.replace("ID", id)}`, {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

describe("issuers", () => {
  it.each(routes)("are nobody's without an API token: %s %s", async (...route) => {
    expectProblem(await ask(route), 401, "unauthenticated");
    expectProblem(await ask(route, "nobody's"), 401, "unauthenticated");
  });

  it.each(routes)("are superusers' alone: %s %s", async (...route) => {
    expectProblem(await ask(route, memberToken), 403, "forbidden");
  });

  it("stay as they were through all of that", async () => {
    const { body } = await berth.api("GET", "/issuers");
    expect(body.issuers).toMatchObject([{ id, issuer, disabled: false }]);
  });
});
