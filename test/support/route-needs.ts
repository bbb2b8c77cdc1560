/** What a route asks of whoever calls it. */
export type Need =
  /** A token, whatever it opens. */
  | "token"
  /** A role in the organization, or one that is at least that. */
  | "reader"
  | "member"
  | "admin"
  /** The admin's, or the member's who made the robot. */
  | "maker"
  /** A superuser, or a read-only one. */
  | "super reader"
  | "superuser"
  /** The principal that it is about, or one who may see all; for the second, who may do all. */
  | "own or super reader"
  | "own or superuser";

/** What a route needs, and what may be sent to it: `ORG` stands for the organization. */
export interface RouteNeed {
  readonly need: Need;
  readonly body?: unknown;
  /** In the place of what `placesOf` gives. */
  readonly places?: Readonly<Record<string, string>>;
}

const pull = ["pull"];
const plain = { issuer: "https://ci.example", subject: "repo:acme/other" };

/** By operation. */
export const routeNeeds: Readonly<Record<string, RouteNeed>> = {
  getUser: { need: "token" },
  getPresets: { need: "token" },
  getOrganizations: { need: "token" },
  createOrganization: { need: "superuser", body: { name: "acme" } },
  getOrganization: { need: "reader" },
  patchOrganization: { need: "admin", body: { email: null } },
  putOrganization: { need: "admin", body: { email: null } },
  deleteOrganization: { need: "admin" },
  getDeletedOrganizations: { need: "super reader" },
  freeName: { need: "superuser", places: { org: "gone" } },
  getOrganizationMembers: { need: "reader" },
  getOrganizationMember: { need: "reader" },
  putOrganizationMember: { need: "admin", body: { role: "reader" } },
  deleteOrganizationMember: { need: "admin" },
  getOrganizationLogs: { need: "reader" },
  getOrganizationState: { need: "reader" },
  putOrganizationState: { need: "admin", body: {} },
  getOrganizationPrototypes: { need: "reader" },
  createOrganizationPrototype: { need: "admin", body: { role: "read", delegate: { name: "ORG+made", kind: "user" } } },
  getOrganizationPrototype: { need: "reader" },
  putOrganizationPrototype: { need: "admin", body: { role: "write" } },
  deleteOrganizationPrototype: { need: "admin" },

  getRobots: { need: "reader" },
  getRobot: { need: "reader" },
  putRobot: { need: "member", body: {} },
  patchRobot: { need: "maker", body: { description: "" } },
  deleteRobot: { need: "maker" },
  regenerateRobot: { need: "maker", body: {} },
  deleteRobotToken: { need: "maker" },
  getRobotGrants: { need: "reader" },
  putRobotGrants: { need: "admin", body: [{ repository: "ORG/app", actions: pull }] },
  getRobotPermissions: { need: "reader" },
  getRobotUsage: { need: "reader" },
  getRobotFederation: { need: "reader" },
  replaceRobotFederation: { need: "maker", body: [plain] },
  deleteRobotFederation: { need: "maker" },
  createRobotFederationBinding: { need: "maker", body: plain },
  getRobotFederationBinding: { need: "reader" },
  patchRobotFederationBinding: { need: "maker", body: { description: "" } },
  deleteRobotFederationBinding: { need: "maker" },
  explainRobotFederation: { need: "reader", body: { token: "x" } },
  getRobotFederationExplain: { need: "reader" },

  getRepositoryPermissions: { need: "reader" },
  getRepositoryPermissionsUser: { need: "reader" },
  putRepositoryPermissionsUser: { need: "admin", body: { role: "read" } },
  deleteRepositoryPermissionsUser: { need: "admin" },

  getBindings: { need: "super reader" },
  getGrants: { need: "super reader" },
  getLogs: { need: "super reader" },
  getState: { need: "super reader" },
  putState: { need: "superuser", body: {} },
  getIssuers: { need: "super reader" },
  createIssuer: { need: "superuser", body: { issuer: "ftp://no.example" } },
  getIssuer: { need: "super reader" },
  patchIssuer: { need: "superuser", body: { name: "x" } },
  deleteIssuer: { need: "superuser" },
  refreshIssuer: { need: "superuser" },
  getRegistries: { need: "super reader" },
  createRegistry: { need: "superuser", body: { service: " " } },
  getRegistry: { need: "super reader" },
  patchRegistry: { need: "superuser", body: { token_ttl: 60 } },
  deleteRegistry: { need: "superuser" },
  getRegistryConfig: { need: "super reader" },
  rotateRegistry: { need: "superuser", body: { compromised: true, authority: true } },
  rotateKeys: { need: "superuser", body: {} },

  getPrincipals: { need: "super reader" },
  createPrincipal: { need: "superuser", body: { name: "Not a name" } },
  getPrincipal: { need: "own or super reader" },
  patchPrincipal: { need: "superuser", body: { description: "" } },
  deletePrincipal: { need: "superuser" },
  getPrincipalTokens: { need: "own or super reader" },
  createPrincipalToken: { need: "own or superuser", body: { name: "late", expires_at: "1970-01-02T00:00:00Z" } },
  getPrincipalToken: { need: "own or super reader" },
  deletePrincipalToken: { need: "own or superuser" },
};
