import type { ManagementCall } from "./principals.ts";
import { createSigner } from "./signer.ts";

/** Something that can be edited, just made. */
export interface EditableThing {
  /** Where it is read and edited. */
  readonly read: string;
  /** Of the answer that made it. */
  readonly etag: string | null;
}

/** How one operation edits a thing. */
export interface Edit {
  make(ask: ManagementCall): Promise<EditableThing>;
  /** What changes the thing; absent: the operation has no body. */
  readonly body?: unknown;
  /** In the place of what can be read, something that is not there; absent: it always is. */
  readonly absent?: string;
}

let made = 0;
const fresh = (kind: string) => {
  made += 1;
  return `${kind}-${made}`;
};

const UNKNOWN = "00000000-0000-4000-8000-000000000000";
const acme = "/organization/acme";
/** Nothing listens there, which is no reason to refuse it. */
const issuer = "http://127.0.0.1:9";
const pull = ["pull"];
const email = () => `${fresh("mail")}@acme.example`;

type Make = Edit["make"];

/** What is made by one call, and read at a place of its own. */
const madeBy =
  (
    method: string,
    path: (name: string) => string,
    body: (name: string) => unknown,
    read: (answer: string, name: string) => string,
  ): Make =>
  async (ask) => {
    const name = fresh("thing");
    const { status, headers, body: shown } = await ask(method, path(name), body(name));
    if (status >= 300) throw new Error(`nothing to edit: ${JSON.stringify(shown)}`);
    return { read: read(shown.id ?? shown.uuid, name), etag: headers.get("etag") };
  };

const organization = madeBy(
  "POST",
  () => "/organization/",
  (name) => ({ name }),
  (_, name) => `/organization/${name}`,
);
const robot = madeBy(
  "PUT",
  (name) => `${acme}/robots/${name}`,
  () => ({ unstructured_metadata: { kept: [1, { deep: true }] } }),
  (_, name) => `${acme}/robots/${name}`,
);
const principal = madeBy(
  "POST",
  () => "/principals",
  (name) => ({ name, roles: { acme: "reader" } }),
  (_, name) => `/principals/${name}`,
);
const registry = madeBy(
  "POST",
  () => "/registries",
  (name) => ({ service: `${name}.example`, host: "localhost:5000" }),
  (_, name) => `/registries/${name}.example`,
);

const issuerMade: Make = async (ask) => {
  const name = fresh("issuer");
  const { jwk } = await createSigner(`https://${name}.example`);
  const { headers, body } = await ask("POST", "/issuers", { issuer: `https://${name}.example`, jwks: { keys: [jwk] } });
  return { read: `/issuers/${body.id}`, etag: headers.get("etag") };
};

/** What a robot of its own has, once it was put there. */
const ofRobot =
  (method: string, part: string, body: unknown): Make =>
  async (ask) => {
    const { read } = await robot(ask);
    const { status, headers, body: shown } = await ask(method, `${read}/${part}`, body);
    if (status >= 300) throw new Error(`nothing to edit: ${JSON.stringify(shown)}`);
    return {
      read: method === "POST" && shown.id ? `${read}/${part}/${shown.id}` : `${read}/${part}`,
      etag: headers.get("etag"),
    };
  };
const terms = { issuer, subject: "job", claims: { ref: { in: ["a", "b"] } }, expires_at: "2099-01-01T00:00:00Z" };
const federation = ofRobot("POST", "federation", [terms, { issuer, subject: "other" }]);
const binding = ofRobot("POST", "federation/bindings", terms);
const grants = ofRobot("PUT", "grants", [{ repository: "acme/app", actions: pull }, { catalog: true }]);

const permission: Make = async (ask) => {
  const { read } = await robot(ask);
  const path = `/repository/acme/app/permissions/user/acme+${read.split("/").at(-1)}`;
  return { read: path, etag: (await ask("PUT", path, { role: "read" })).headers.get("etag") };
};
const prototype: Make = async (ask) => {
  const { read } = await robot(ask);
  const delegate = { name: `acme+${read.split("/").at(-1)}`, kind: "user" };
  const { headers, body } = await ask("POST", `${acme}/prototypes`, { role: "read", delegate });
  return { read: `${acme}/prototypes/${body.id}`, etag: headers.get("etag") };
};
const member: Make = async (ask) => {
  const name = fresh("member");
  await ask("POST", "/principals", { name });
  const read = `${acme}/members/${name}`;
  return { read, etag: (await ask("PUT", read, { role: "reader" })).headers.get("etag") };
};
const organizationState: Make = async (ask) => {
  const read = `${(await organization(ask)).read}/state`;
  const body = { settings: { email: email() }, robots: { ci: { description: "kept" } } };
  return { read, etag: (await ask("PUT", read, body)).headers.get("etag") };
};
const serviceState: Make = async (ask) => {
  const body = { principals: { [fresh("principal")]: { description: "kept" } }, unlisted: "keep" };
  return { read: "/state", etag: (await ask("PUT", "/state", body)).headers.get("etag") };
};

const noRobot = `${acme}/robots/absent`;

/** By operation; the bodies differ from what is there. */
export const edits: Readonly<Record<string, Edit>> = {
  patchOrganization: { make: organization, body: { email: email() }, absent: "/organization/absent" },
  putOrganization: { make: organization, body: { audiences: ["x"] }, absent: "/organization/absent" },
  deleteOrganization: { make: organization, absent: "/organization/absent" },
  putOrganizationMember: { make: member, body: { role: "admin" }, absent: `${acme}/members/absent` },
  deleteOrganizationMember: { make: member, absent: `${acme}/members/absent` },
  patchPrincipal: { make: principal, body: { description: "changed" }, absent: "/principals/absent" },
  deletePrincipal: { make: principal, absent: "/principals/absent" },
  patchRobot: { make: robot, body: { unstructured_metadata: {} }, absent: noRobot },
  deleteRobot: { make: robot, absent: noRobot },
  putRobotGrants: { make: grants, body: [{ repository: "acme/*", actions: pull }], absent: `${noRobot}/grants` },
  putRepositoryPermissionsUser: {
    make: permission,
    body: { role: "write" },
    absent: "/repository/acme/app/permissions/user/acme+absent",
  },
  deleteRepositoryPermissionsUser: { make: permission, absent: "/repository/acme/app/permissions/user/acme+absent" },
  putOrganizationPrototype: { make: prototype, body: { role: "write" }, absent: `${acme}/prototypes/${UNKNOWN}` },
  deleteOrganizationPrototype: { make: prototype, absent: `${acme}/prototypes/${UNKNOWN}` },
  replaceRobotFederation: { make: federation, body: [{ issuer, subject: "new" }], absent: `${noRobot}/federation` },
  deleteRobotFederation: { make: federation, absent: `${noRobot}/federation` },
  patchRobotFederationBinding: {
    make: binding,
    body: { description: "changed" },
    absent: `${noRobot}/federation/bindings/${UNKNOWN}`,
  },
  deleteRobotFederationBinding: { make: binding, absent: `${noRobot}/federation/bindings/${UNKNOWN}` },
  patchIssuer: { make: issuerMade, body: { max_token_age: 3600 }, absent: `/issuers/${UNKNOWN}` },
  deleteIssuer: { make: issuerMade, absent: `/issuers/${UNKNOWN}` },
  patchRegistry: { make: registry, body: { token_ttl: 61 }, absent: "/registries/absent.example" },
  deleteRegistry: { make: registry, absent: "/registries/absent.example" },
  putOrganizationState: {
    make: organizationState,
    body: { settings: { email: email() }, robots: {} },
    absent: "/organization/absent/state",
  },
  putState: { make: serviceState, body: { principals: {}, unlisted: "delete" } },
};
