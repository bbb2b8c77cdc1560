import type { ApiAnswer, TestBerth } from "./berth.ts";
import { subject, type TestIssuer } from "./issuer.ts";

/** Something of every kind that the API manages, and how to name it. */
export interface World {
  /** What leads to something that is there, by the last noun before a parameter of a path. */
  readonly places: Readonly<Record<string, string>>;
  /** The same of an operation that needs another place. */
  readonly newPlaces: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What each operation takes in this world, by its `operationId`. */
  readonly bodies: Readonly<Record<string, unknown>>;
}

let made = 0;

export async function makeWorld(berth: TestBerth, issuer: TestIssuer): Promise<World> {
  made += 1;
  const org = `w${made}`;
  const principal = `team${made}`;
  const service = `registry${made}.example`;
  const robot = `/organization/${org}/robots/ci`;
  const full = `${org}+ci`;
  const make = async (method: string, path: string, body: unknown) => done(await berth.api(method, path, body));

  await make("POST", "/organization", { name: org });
  await make("PATCH", `/organization/${org}`, { robot_tokens: "on_request" });
  await make("PUT", robot, {});
  const [binding] = await make("POST", `${robot}/federation`, [{ issuer: issuer.url, subject }]);
  await make("PUT", `${robot}/grants`, [{ repository: `${org}/app`, actions: ["pull", "push"] }]);
  const prototype = await make("POST", `/organization/${org}/prototypes`, {
    role: "read",
    delegate: { name: full, kind: "user" },
  });
  await make("POST", "/principals", { name: principal });
  await make("PUT", `/organization/${org}/members/${principal}`, { role: "reader" });
  const token = await make("POST", `/principals/${principal}/tokens`, { name: "first" });
  const settings = { issuer: "https://uploaded.example", name: `issuer ${made}` };
  const registered = await make("POST", "/issuers", settings);
  await make("POST", "/registries", { service });
  await make("POST", "/organization", { name: `${org}-gone` });
  await make("DELETE", `/organization/${org}-gone`, undefined);
  const exchanged = await berth.exchange(full, await issuer.sign(berth.url));
  done(exchanged);
  // What is read writes down the uses before it: none turns up in the database later, while somebody compares it.
  await make("GET", robot, undefined);

  const terms = { issuer: issuer.url, subject, claims: { ref: { in: ["refs/heads/main"] } }, token_ttl: 600 };
  const grants = [
    { repository: `${org}/*`, actions: ["pull"] },
    { catalog: true },
    { registry: service, catalog: true },
  ];
  return {
    places: {
      organization: org,
      "deleted-organizations": `${org}-gone`,
      robots: "ci",
      members: principal,
      prototypes: prototype.id,
      bindings: binding.id,
      explain: exchanged.headers.get("x-request-id") ?? "",
      principals: principal,
      tokens: token.id,
      issuers: registered.id,
      registries: service,
      config: "distribution",
      repository: `${org}/app`,
      user: full,
    },
    newPlaces: {
      putRobot: { robots: "newest" },
      // The only one that answers.
      refreshIssuer: { issuers: binding.issuer_id },
    },
    bodies: {
      createOrganization: { name: `${org}-new`, email: "team@example.com" },
      patchOrganization: {
        audiences: ["https://berth.example"],
        anonymous_pull: [{ registry: service, repository: `${org}/public/*` }],
        repository_prefixes: [`legacy${made}/*`],
      },
      putOrganization: { email: null, robot_tokens: "never" },
      putOrganizationMember: { role: "member" },
      createPrincipal: { name: `${principal}-new`, super_user: "read_only", roles: { [org]: "admin" } },
      patchPrincipal: { description: "Builds", roles: { [org]: "member" } },
      createPrincipalToken: { name: "second", organizations: [org], expires_at: "2090-01-01T00:00:00Z" },
      patchRobot: { description: "One\nTwo", unstructured_metadata: { team: ["a", { b: null }] }, disabled: true },
      regenerateRobot: { expires_at: "2090-01-01T00:00:00+01:00", keep_old_seconds: 60 },
      putRobotGrants: grants,
      putRepositoryPermissionsUser: { role: "write" },
      createOrganizationPrototype: { role: "write", delegate: { name: full, kind: "user" }, activating_user: null },
      putOrganizationPrototype: { role: "admin" },
      replaceRobotFederation: [terms, { ...terms, claims: { ref: { prefix: "refs/tags/" } }, api: true }],
      createRobotFederationBinding: { ...terms, audiences: ["https://berth.example"], mode: "audit" },
      patchRobotFederationBinding: { claims: null, scope: `repository:${org}/{project_path}:pull` },
      explainRobotFederation: { token: await issuer.sign(berth.url) },
      createIssuer: { ...settings, name: `another ${made}`, max_token_age: 600, audiences: ["https://berth.example"] },
      patchIssuer: { algorithms: ["RS256"], replay_protection: true },
      createRegistry: { service: `more${made}.example`, key_profile: "kid", rotation_days: 0 },
      patchRegistry: { host: "registry.example:5000", token_ttl: 300 },
      putOrganizationState: {
        settings: { email: null },
        robots: {
          ci: { federation: [terms], grants: [{ repository: `${org}/app`, actions: ["pull"] }] },
          other: { unstructured_metadata: { a: 1 } },
        },
        members: { [full]: "reader" },
        prototypes: { ci: "read" },
      },
      putState: {
        principals: { [principal]: { description: "Builds, by a document" } },
        organizations: { [org]: { members: {}, unlisted: "keep" } },
        unlisted: "keep",
      },
    },
  };
}

/** What leads to something that is there, or to where something is to be, by the noun before each parameter of a path. */
export function placesFor(world: World, operationId: string, path: string): Record<string, string> {
  return Object.fromEntries(
    namesIn(path).map(([name, noun]) => {
      const place = world.newPlaces[operationId]?.[noun] ?? world.places[noun];
      if (place === undefined) throw new Error(`the test does not know how to reach ${noun}/{${name}} of ${path}`);
      return [name, place];
    }),
  );
}

function namesIn(path: string): [parameter: string, noun: string][] {
  return Array.from(path.matchAll(/([^/{}]+)\/\{(\w+)\}/g), ([, noun = "", name = ""]) => [name, noun]);
}

/** A path of the API's description with its parameters. */
export function fillIn(path: string, places: Readonly<Record<string, string>>): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const encoded = encodeURIComponent((places[name] ?? "").toWellFormed());
    return name === "repository" ? encoded.replaceAll("%2F", "/") : encoded;
  });
}

function done({ status, body }: ApiAnswer) {
  if (status >= 300) throw new Error(`answered ${status}: ${JSON.stringify(body)}`);
  return body;
}
