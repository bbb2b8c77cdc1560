import type { ManagementCall } from "./principals.ts";
import { createSigner } from "./signer.ts";

/** What a document of the service says of each thing of which nothing was said. */
export const cluster = "https://kubernetes.default.svc.cluster.local";
export const noIssuer = {
  name: null,
  preset: null,
  jwks: null,
  jwks_uri: null,
  ca_pem: null,
  algorithms: null,
  allow_private_network: false,
  max_token_age: null,
  replay_protection: null,
  audiences: null,
  clients: null,
  disabled: false,
};
export const noRegistry = {
  host: null,
  key_profile: "x5c",
  rotation_days: null,
  token_ttl: null,
  issuer: null,
  fallback_realm: null,
  refresh_tokens: false,
};
export const noSettings = {
  email: null,
  audiences: null,
  clients: null,
  robot_tokens: "on_request",
  anonymous_pull: [],
  repository_prefixes: [],
};
export const noRobot = { description: "", unstructured_metadata: {}, disabled: false, federation: [], grants: [] };

/** Key sets of issuers that are nowhere to be asked. */
export async function makeKeySets(): Promise<object[]> {
  const signers = await Promise.all([createSigner(""), createSigner("", "other")]);
  return signers.map(({ jwk }) => ({ keys: [jwk] }));
}

/** Everything once, and nothing that would be shown in another way. */
export const wholeService = (host: string, jwks: readonly object[]) => ({
  issuers: [
    { ...noIssuer, issuer: cluster, name: "blue", jwks: jwks[0], algorithms: ["RS256"], max_token_age: 600 },
    { ...noIssuer, issuer: cluster, name: "green", jwks: jwks[1], audiences: ["berth"], replay_protection: true },
    { ...noIssuer, issuer: "https://plain.example", jwks: jwks[0], disabled: true },
  ],
  registries: {
    [host]: { ...noRegistry, token_ttl: 120, refresh_tokens: true },
    "second.example": { ...noRegistry, host: "second.example:5000", key_profile: "kid", rotation_days: 30 },
  },
  principals: {
    anna: { description: "the owner", super_user: true },
    constructor: { description: "", super_user: false },
    ops: { description: "", super_user: "read_only" },
  },
  organizations: {
    acme: {
      settings: { ...noSettings, email: "a@acme.example", repository_prefixes: ["legacy"] },
      members: { "acme+ci": "member", constructor: "admin" },
      robots: {
        ci: {
          ...noRobot,
          federation: [{ issuer: "https://plain.example", subject: "job" }],
          grants: [{ registry: "second.example", repository: "legacy/app", actions: ["pull"] }],
        },
      },
      prototypes: { ci: "read" },
    },
    "empty.one": { settings: noSettings, members: {}, robots: {}, prototypes: {} },
  },
});

/** Makes the service as it was at first, but for its log. */
export async function resetService(ask: ManagementCall, host: string): Promise<void> {
  const empty = { issuers: [], registries: {}, principals: {}, organizations: {} };
  await ask("PUT", "/state", { ...empty, unlisted: "delete" });
  for (const { name } of (await ask("GET", "/deleted-organizations")).body.deleted_organizations) {
    await ask("DELETE", `/deleted-organizations/${name}`);
  }
  await ask("PUT", "/state", { registries: { [host]: noRegistry } });
}
