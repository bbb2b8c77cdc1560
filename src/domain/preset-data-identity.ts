import type { Preset } from "./preset.ts";

/** One access token serves many calls, and its subject is an id that is never given again. */
const accessTokens = {
  shared: false,
  anchors: { claims: [], paths: [], subjects: [] },
  immutableIds: [],
  replayProtection: false,
};

const entra = {
  ...accessTokens,
  audience:
    "Register an application for this service and ask for a token with its scope, api://APPLICATION/.default: the audience is that application.",
  documentation: "https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference",
};

/** Providers of identities for whatever runs, in CI or not. */
export const identityPresets: readonly Preset[] = [
  {
    ...accessTokens,
    id: "keycloak",
    name: "Keycloak",
    issuers: [],
    audience:
      "Give the client an audience mapper. As it ships, Keycloak names account, or nobody: then let the binding name the client.",
    claims: ["azp", "scope"],
    example: { issuer: "https://{host}/realms/{realm}", subject: "{user_id}", clients: ["{client_id}"] },
    documentation: "https://www.keycloak.org/docs/latest/server_admin/",
  },
  {
    ...entra,
    id: "entra-v1",
    name: "Microsoft Entra ID, v1.0 tokens",
    issuers: ["https://sts.windows.net/{tenant_id}/"],
    claims: ["appid", "oid", "tid", "idtyp", "roles"],
    example: {
      issuer: "https://sts.windows.net/{tenant_id}/",
      subject: "{object_id}",
      audiences: ["api://{application_id}"],
      clients: ["{client_id}"],
    },
  },
  {
    ...entra,
    id: "entra-v2",
    name: "Microsoft Entra ID, v2.0 tokens",
    issuers: ["https://login.microsoftonline.com/{tenant_id}/v2.0"],
    claims: ["azp", "oid", "tid", "idtyp", "roles"],
    example: {
      issuer: "https://login.microsoftonline.com/{tenant_id}/v2.0",
      subject: "{object_id}",
      audiences: ["{application_id}"],
      clients: ["{client_id}"],
    },
  },
  {
    ...accessTokens,
    id: "google",
    name: "Google",
    issuers: ["https://accounts.google.com"],
    shared: true,
    // Not azp, which is the same in everybody's tokens from one application; nor email, which may be unverified.
    anchors: { claims: ["hd"], paths: [], subjects: [] },
    audience:
      "Ask for it: gcloud auth print-identity-token --audiences=URL, or audience=URL at the metadata server's identity endpoint.",
    claims: ["azp"],
    example: { issuer: "https://accounts.google.com", subject: "{service_account_unique_id}" },
    documentation: "https://cloud.google.com/docs/authentication/get-id-token",
  },
  {
    ...accessTokens,
    id: "okta",
    name: "Okta",
    issuers: ["https://{organization}.okta.com/oauth2/{authorization_server}"],
    audience: "Set it on a custom authorization server: every access token of that server holds it.",
    claims: ["cid", "scp"],
    example: {
      issuer: "https://{organization}.okta.com/oauth2/{authorization_server}",
      subject: "{client_id}",
      claims: { cid: { equals: "{client_id}" } },
    },
    documentation: "https://developer.okta.com/docs/guides/implement-grant-type/clientcreds/main/",
  },
  {
    ...accessTokens,
    id: "auth0",
    name: "Auth0",
    issuers: ["https://{tenant}.auth0.com/", "https://{tenant}.{region}.auth0.com/"],
    audience: "Register an API with this service's URL as its identifier, and ask for a token with that audience.",
    claims: ["azp", "gty", "scope"],
    example: {
      issuer: "https://{tenant}.{region}.auth0.com/",
      subject: "{client_id}@clients",
      clients: ["{client_id}"],
    },
    documentation: "https://auth0.com/docs/get-started/authentication-and-authorization-flow/client-credentials-flow",
  },
];
