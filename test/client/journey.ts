import { env } from "node:process";
import * as berth from "./berth.ts";

/*
 * What a team's own tool might do, by the client that is generated beside it: the main road from an organization to
 * a robot token, and back to it in the audit log. It prints what it found as JSON.
 */

const { BERTH_URL = "", API_TOKEN = "", ISSUER = "", SUBJECT = "", OIDC_TOKEN = "" } = env;
const path = { org: "acme", robot: "ci" };

berth.configure({ serverUrl: BERTH_URL, auth: { bearer: API_TOKEN }, idempotencyKey: true });

const organization = await berth.createOrganization({ body: { name: path.org, email: null } });
const robot = await berth.putRobot({ path, body: { description: "Builds and pushes the app" } });

const bindings = await berth.replaceRobotFederation({
  path,
  body: [{ issuer: ISSUER, subject: SUBJECT, claims: { ref: { equals: "refs/heads/main" } }, token_ttl: 600 }],
});
const grants = await berth.putRobotGrants({
  path,
  body: [{ repository: "acme/app", actions: ["pull", "push"] }, { catalog: true }],
});

const exchanged = await fetch(`${BERTH_URL}/oauth2/federation/robot/token`, {
  headers: { authorization: `Basic ${btoa(`${robot.name}:${OIDC_TOKEN}`)}` },
});
const { expires_in: expiresIn } = (await exchanged.json()) as { expires_in: number };

const { logs } = await berth.getOrganizationLogs({
  path,
  query: { kind: "federated_robot_token_exchange", outcome: "success" },
});

const read = await berth.getRobotGrants({ path }, { envelope: true });
await berth.putRobotGrants({ path, body: [] });
const refused = await berth
  .putRobotGrants({ path, body: read.data, headers: { "If-Match": read.headers.etag ?? "" } })
  .catch((error: unknown) => error);
const problem = refused instanceof berth.ApiError ? (refused.body as berth.Problem) : undefined;

console.log(
  JSON.stringify({
    organization: organization.name,
    email: organization.email?.toLowerCase() ?? null,
    conditions: bindings.flatMap(({ claims }) => Object.entries(claims ?? {}).map(describeCondition)),
    lifetimes: bindings.map(({ token_ttl }) => (token_ttl === null ? "default" : token_ttl.toFixed())),
    grants: grants.map(describeGrant),
    expiresIn,
    performers: logs.map(({ performer, code }) => [performer?.name.toUpperCase() ?? null, code]),
    refused: problem?.code,
  }),
);

function describeCondition([claim, condition]: [string, berth.Condition]): string {
  if ("equals" in condition) return `${claim} = ${condition.equals}`;
  if ("in" in condition) return `${claim} in ${condition.in.join()}`;
  return "prefix" in condition ? `${claim} ^ ${condition.prefix.length}` : `${claim} has ${condition.contains}`;
}

function describeGrant(grant: berth.Grant): string {
  return "catalog" in grant ? "catalog" : `${grant.repository}: ${grant.actions.map((action) => action).join()}`;
}

/** What the types keep from being written at all. */
export const mistakes = [
  // @ts-expect-error an action that there is not
  () => berth.putRobotGrants({ path, body: [{ repository: "acme/app", actions: ["write"] }] }),
  // @ts-expect-error a typing error in a binding
  () => berth.replaceRobotFederation({ path, body: [{ issuer: ISSUER, subject: SUBJECT, audience: ["x"] }] }),
  // @ts-expect-error a condition of no kind
  () => berth.replaceRobotFederation({ path, body: [{ issuer: ISSUER, subject: SUBJECT, claims: { ref: "main" } }] }),
  // @ts-expect-error a binding for nobody
  () => berth.replaceRobotFederation({ path, body: [{ issuer: ISSUER }] }),
  // @ts-expect-error no robot is named
  () => berth.getRobot({ path: { org: "acme" } }),
  // @ts-expect-error it may be null
  () => robot.last_accessed.length,
  // @ts-expect-error it may be absent
  () => logs.length + berth.getLogs().then(({ next_page }) => next_page.length),
];
