import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiAnswer, call, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { register } from "../support/issuers.ts";
import { makePrincipal } from "../support/principals.ts";
import { type Need, type RouteNeed, routeNeeds } from "../support/route-needs.ts";
import { createSigner } from "../support/signer.ts";

type Role = "reader" | "member" | "maker" | "admin";

/** What a token opens in the organization `acme`, and beyond it. */
interface Actor {
  readonly role?: Role;
  readonly sees?: "all";
  readonly may?: "all";
}

const actors: Readonly<Record<string, Actor>> = {
  "somebody without a role": {},
  "a reader": { role: "reader" },
  "a member": { role: "member" },
  "the member who made the robot": { role: "maker" },
  "an admin": { role: "admin" },
  "an admin's read-only token": { role: "reader" },
  "a robot that is admin, by its robot token": { role: "admin" },
  "a robot that is reader, by its robot token": { role: "reader" },
  "a read-only superuser": { sees: "all" },
  "a read-only superuser whom an admin made one": { sees: "all" },
  "a superuser": { sees: "all", may: "all" },
  "a superuser's read-only token": { sees: "all" },
  "a superuser's token for the organization alone": { role: "admin" },
  "a superuser's read-only token for the organization alone": { role: "reader" },
};

let berth: TestBerth;
let issuer: TestIssuer;
const tokens = new Map<string, string>();
const places = new Map<string, Record<string, string>>();
let document: { paths: Record<string, Record<string, Operation>> };

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly $ref?: string }[];
}

interface Route {
  readonly method: string;
  readonly path: string;
  readonly operation: string;
  readonly isConditional: boolean;
}

beforeAll(async () => {
  berth = await startBerth();
  issuer = await startIssuer();
  document = (await call(`${berth.url}/openapi.json`)).body;
  await berth.api("POST", "/organization/", { name: "acme" });
  await berth.api("POST", "/organization/", { name: "gone" });
  await berth.api("DELETE", "/organization/gone");
  const keep = async (name: string, made: Promise<{ token: string }>) => tokens.set(name, (await made).token);
  const within = { organizations: ["acme"] };
  await keep("somebody without a role", makePrincipal(berth, "nobody"));
  await keep("a reader", makePrincipal(berth, "reader", { roles: { acme: "reader" } }));
  await keep("a member", makePrincipal(berth, "member", { roles: { acme: "member" } }));
  await keep("the member who made the robot", makePrincipal(berth, "maker", { roles: { acme: "member" } }));
  await keep("an admin", makePrincipal(berth, "boss", { roles: { acme: "admin" } }));
  await keep(
    "an admin's read-only token",
    makePrincipal(berth, "boss-reads", { roles: { acme: "admin" } }, { read_only: true }),
  );
  await keep("a read-only superuser", makePrincipal(berth, "auditor", { super_user: "read_only" }));
  await keep(
    "a read-only superuser whom an admin made one",
    makePrincipal(berth, "auditor-boss", { super_user: "read_only", roles: { acme: "admin" } }),
  );
  tokens.set("a superuser", berth.adminToken);
  await keep(
    "a superuser's read-only token",
    makePrincipal(berth, "root-reads", { super_user: true }, { read_only: true }),
  );
  await keep(
    "a superuser's token for the organization alone",
    makePrincipal(berth, "root-acme", { super_user: true }, within),
  );
  await keep(
    "a superuser's read-only token for the organization alone",
    makePrincipal(berth, "root-acme-reads", { super_user: true }, { ...within, read_only: true }),
  );
  await makePrincipal(berth, "somebody");
  for (const role of ["admin", "reader"])
    tokens.set(`a robot that is ${role}, by its robot token`, await keyless(role));
  for (const organization of ["acme", "other"]) places.set(organization, await fill(organization));
});

afterAll(async () => {
  await berth.remove();
  await issuer.close();
});

/** A robot token of a robot with a role, whose binding lets it open the API. */
async function keyless(role: string): Promise<string> {
  const name = `acme+${role}-robot`;
  await berth.createRobot(name, { federation: [{ issuer: issuer.url, subject, api: true }] });
  await berth.api("PUT", `/organization/acme/members/${name}`, { role });
  return (await berth.exchange(name, await issuer.sign(berth.url))).body.token;
}

/** An organization in which everything is there once, and where it is. */
async function fill(organization: string): Promise<Record<string, string>> {
  const robot = `/organization/${organization}/robots/made`;
  if (organization === "other") await berth.api("POST", "/organization/", { name: organization });
  const creator = organization === "acme" ? tokens.get("the member who made the robot") : berth.adminToken;
  await call(`${berth.url}/api/v1${robot}`, { method: "PUT", headers: { authorization: `Bearer ${creator}` } });
  const bound = await berth.api("POST", `${robot}/federation/bindings`, { issuer: issuer.url, subject });
  await berth.api("PUT", `${robot}/grants`, [
    { repository: `${organization}/app`, actions: ["pull"] },
    { repository: `${organization}/*`, actions: ["pull"] },
  ]);
  const prototypes = await berth.api("GET", `/organization/${organization}/prototypes`);
  await berth.api("PUT", `/organization/${organization}/members/somebody`, { role: "reader" });
  const exchanged = await berth.exchange(`${organization}+made`, await issuer.sign(berth.url));
  const { jwk } = await createSigner("https://uploaded.example");
  const uploaded = await register(berth, `https://${organization}.example`, { jwks: { keys: [jwk] } });
  return {
    org: organization,
    robot: "made",
    member: "somebody",
    principal: "somebody",
    repository: `${organization}/app`,
    user: `${organization}+made`,
    service: berth.host,
    format: "env",
    binding: bound.body.id,
    prototype: prototypes.body.prototypes[0].id,
    token: await makeToken(),
    issuer: uploaded.id,
    request_id: exchanged.headers.get("x-request-id") ?? "",
  };
}

function routesOf(): Route[] {
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { operationId, parameters = [] }]) => ({
      method: method.toUpperCase(),
      path,
      operation: operationId,
      // A name is freed on a condition too, though nothing shows an entity tag of it.
      isConditional: operationId === "freeName" || parameters.some(({ $ref }) => $ref?.endsWith("/IfMatch")),
    })),
  );
}

async function makeToken(): Promise<string> {
  return (await berth.api("POST", "/principals/somebody/tokens", { name: crypto.randomUUID() })).body.id;
}

/** What `{id}` is depends on what comes before it. */
async function fillIn({ method, path }: Route, given: Readonly<Record<string, string>>): Promise<string> {
  const id = path.includes("/tokens/")
    ? method === "DELETE"
      ? await makeToken()
      : given.token
    : path.includes("/bindings/")
      ? given.binding
      : path.includes("/prototypes/")
        ? given.prototype
        : given.issuer;
  return path.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent((name === "id" ? id : given[name]) ?? ""));
}

async function ask(route: Route, { body, places: own = {} }: RouteNeed, organization: string, token?: string) {
  const path = await fillIn(route, { ...places.get(organization), ...own });
  return call(berth.url + path.replaceAll("%2F", "/"), {
    method: route.method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      // Whoever may change it is told that it was changed, and nothing is.
      ...(route.isConditional && { "if-match": '"never"' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body).replaceAll("ORG", organization) }),
  });
}

/** 200 stands for every answer that somebody gets who may. */
function expected(need: Need, { role, sees, may }: Actor, isOwn: boolean): 200 | 403 | 404 {
  const held = may ? "admin" : ((isOwn ? role : undefined) ?? (sees && "reader"));
  const ranks = ["reader", "member", "maker", "admin"];
  switch (need) {
    case "token":
      return 200;
    case "super reader":
      return sees ? 200 : 403;
    case "superuser":
      return may ? 200 : 403;
    case "own or super reader":
      return sees ? 200 : 404;
    case "own or superuser":
      return may ? 200 : sees ? 403 : 404;
    default:
      if (held === undefined) return 404;
      return ranks.indexOf(held) >= ranks.indexOf(need) ? 200 : 403;
  }
}

function seen({ status, body }: ApiAnswer): number {
  return [401, 403, 404].includes(status) ? status : status >= 500 ? body : 200;
}

describe("every route", () => {
  it("is known to this test, with what it needs", () => {
    expect(
      routesOf()
        .map(({ operation }) => operation)
        .toSorted(),
    ).toEqual(Object.keys(routeNeeds).toSorted());
  });

  it.each(Object.entries(routeNeeds))(
    "%s is open to whom it should be, and to nobody else",
    async (operation, route) => {
      const found = routesOf().find((one) => one.operation === operation);
      if (!found) throw new Error(`there is no route ${operation}`);
      const [told, should]: [Record<string, unknown>, Record<string, unknown>] = [{}, {}];
      for (const [name, actor] of Object.entries(actors)) {
        for (const organization of ["acme", "other"]) {
          const place = `${name}, in ${organization}`;
          should[place] = expected(route.need, actor, organization === "acme");
          told[place] = seen(await ask(found, route, organization, tokens.get(name)));
        }
      }
      expect(told).toEqual(should);
      expect((await ask(found, route, "acme")).status).toBe(401);
      expect((await ask(found, route, "acme", "berth_api_unknown")).status).toBe(401);
    },
  );
});
