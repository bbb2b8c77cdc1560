import type { ManagementCall } from "./principals.ts";
import { createSigner } from "./signer.ts";

/** A request that makes something, and may be repeated with its `Idempotency-Key`. */
export interface RepeatableRequest {
  readonly path: string;
  readonly body: object;
  /** Another body that would make something, too. */
  readonly other: object;
  /** Where it would make the same, but for its path; absent: there is no other. */
  readonly otherPath?: string;
  /** A body that is refused. */
  readonly refused: object;
  /** What there is of its kind. */
  readonly list: string;
  /** Takes away what was made. */
  remove(made: { readonly id: string }): Promise<unknown>;
}

let made = 0;
const fresh = (kind: string) => {
  made += 1;
  return `${kind}-${made}`;
};

const acme = "/organization/acme";
/** Nothing listens there, which is no reason to refuse it. */
const issuer = "http://127.0.0.1:9";

async function robot(ask: ManagementCall): Promise<{ name: string; path: string }> {
  const name = fresh("robot");
  await ask("PUT", `${acme}/robots/${name}`, {});
  return { name, path: `${acme}/robots/${name}` };
}

async function principal(ask: ManagementCall): Promise<string> {
  const name = fresh("principal");
  await ask("POST", "/principals", { name });
  return `/principals/${name}`;
}

/** By operation: a new one each time. */
export const repeatableRequests: Readonly<Record<string, (ask: ManagementCall) => Promise<RepeatableRequest>>> = {
  async createOrganization(ask) {
    const name = fresh("organization");
    return {
      path: "/organization",
      body: { name, email: "a@example.com" },
      other: { name: fresh("organization") },
      refused: { name: "Not a name" },
      list: "/organization?limit=500",
      remove: () => ask("DELETE", `/organization/${name}`),
    };
  },
  async createPrincipal(ask) {
    const name = fresh("principal");
    return {
      path: "/principals",
      body: { name, description: "one" },
      other: { name: fresh("principal") },
      refused: { name, roles: { nowhere: "reader" } },
      list: "/principals?limit=500",
      remove: () => ask("DELETE", `/principals/${name}`),
    };
  },
  async createPrincipalToken(ask) {
    const [path, otherPath] = [await principal(ask), await principal(ask)];
    return {
      path: `${path}/tokens`,
      body: { name: "one", read_only: true },
      other: { name: "two" },
      otherPath: `${otherPath}/tokens`,
      refused: { name: "one", organizations: [] },
      list: `${path}/tokens`,
      remove: ({ id }) => ask("DELETE", `${path}/tokens/${id}`),
    };
  },
  async regenerateRobot(ask) {
    const [{ path }, { path: otherPath }] = [await robot(ask), await robot(ask)];
    return {
      path: `${path}/regenerate`,
      body: { keep_old_seconds: 60 },
      other: { keep_old_seconds: 61 },
      otherPath: `${otherPath}/regenerate`,
      refused: { keep_old_seconds: -1 },
      list: path,
      remove: () => ask("DELETE", path),
    };
  },
  async createOrganizationPrototype(ask) {
    const [one, two] = [await robot(ask), await robot(ask)];
    const wanted = (name: string, role: string) => ({ role, delegate: { name: `acme+${name}`, kind: "user" } });
    return {
      path: `${acme}/prototypes`,
      body: wanted(one.name, "read"),
      other: wanted(two.name, "read"),
      refused: wanted("absent", "read"),
      list: `${acme}/prototypes`,
      remove: ({ id }) => ask("DELETE", `${acme}/prototypes/${id}`),
    };
  },
  async createRobotFederationBinding(ask) {
    const [{ path }, { path: otherPath }] = [await robot(ask), await robot(ask)];
    return {
      path: `${path}/federation/bindings`,
      body: { issuer, subject: "job", description: "one" },
      other: { issuer, subject: "another" },
      otherPath: `${otherPath}/federation/bindings`,
      refused: { issuer, subject: "" },
      list: `${path}/federation`,
      remove: ({ id }) => ask("DELETE", `${path}/federation/bindings/${id}`),
    };
  },
  async createIssuer(ask) {
    const name = fresh("issuer");
    const { jwk } = await createSigner("");
    const registered = { issuer: "https://repeated.example", name, jwks: { keys: [jwk] } };
    return {
      path: "/issuers",
      body: registered,
      other: { issuer: "https://another.example", jwks: { keys: [jwk] } },
      refused: { ...registered, algorithms: [] },
      list: "/issuers?limit=500",
      remove: ({ id }) => ask("DELETE", `/issuers/${id}`),
    };
  },
  async createRegistry(ask) {
    const service = `${fresh("registry")}.example`;
    return {
      path: "/registries",
      body: { service, token_ttl: 120 },
      other: { service: `${fresh("registry")}.example` },
      refused: { service, token_ttl: 1 },
      list: "/registries?limit=500",
      remove: () => ask("DELETE", `/registries/${service}`),
    };
  },
};
