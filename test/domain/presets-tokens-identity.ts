import { audience, type ProviderTokens } from "./presets-tokens.ts";

const times = { iat: 1_800_000_000, exp: 1_800_003_600 };
const tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
const application = "00001111-aaaa-2222-bbbb-3333cccc4444";
const client = "11112222-bbbb-3333-cccc-4444dddd5555";
const object = "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb";

/** Of the tenant's own, too: another application of it. */
const anotherApplication = { sub: "bbbbbbbb-0000-1111-2222-cccccccccccc", oid: "bbbbbbbb-0000-1111-2222-cccccccccccc" };

const entraValues = { tenant_id: tenant, application_id: application, client_id: client, object_id: object };

export const identityTokens: Readonly<Record<string, ProviderTokens>> = {
  keycloak: {
    values: {
      host: "keycloak.acme.example",
      realm: "acme",
      user_id: "449e14f8-9eb5-4d59-a63e-b7a77c75f770",
      client_id: "ci",
    },
    token: {
      ...times,
      iss: "https://keycloak.acme.example/realms/acme",
      aud: [audience, "account"],
      sub: "449e14f8-9eb5-4d59-a63e-b7a77c75f770",
      azp: "ci",
      jti: "trrtcc:0b1c2d3e-4f50-4617-8293-a4b5c6d7e819",
      typ: "Bearer",
      scope: "profile email",
      preferred_username: "service-account-ci",
    },
    stranger: { azp: "another-application" },
  },
  "entra-v1": {
    values: entraValues,
    token: {
      ...times,
      iss: `https://sts.windows.net/${tenant}/`,
      aud: `api://${application}`,
      sub: object,
      oid: object,
      tid: tenant,
      appid: client,
      ver: "1.0",
    },
    stranger: anotherApplication,
  },
  "entra-v2": {
    values: entraValues,
    token: {
      ...times,
      iss: `https://login.microsoftonline.com/${tenant}/v2.0`,
      aud: application,
      sub: object,
      oid: object,
      tid: tenant,
      azp: client,
      ver: "2.0",
    },
    stranger: anotherApplication,
  },
  google: {
    values: { service_account_unique_id: "117000000000000000042" },
    token: {
      ...times,
      iss: "https://accounts.google.com",
      aud: audience,
      sub: "117000000000000000042",
      azp: "117000000000000000042",
      email: "ci@acme-prod.iam.gserviceaccount.com",
      email_verified: true,
    },
    stranger: { sub: "118000000000000000043", azp: "118000000000000000043" },
  },
  okta: {
    values: { organization: "acme", authorization_server: "aus8ahm2k7Xq2Jb9L5d7", client_id: "0oa8acv8gbBPRCZ7I5d7" },
    token: {
      ...times,
      iss: "https://acme.okta.com/oauth2/aus8ahm2k7Xq2Jb9L5d7",
      aud: audience,
      sub: "0oa8acv8gbBPRCZ7I5d7",
      cid: "0oa8acv8gbBPRCZ7I5d7",
      jti: "AT.EmHCGDFHE18hC5j3stjbarVonh46twW7tWutB9v8hsw",
      scp: ["berth"],
      ver: 1,
    },
    stranger: { sub: "0oa9stranger00000000", cid: "0oa9stranger00000000" },
  },
  auth0: {
    values: { tenant: "acme", region: "eu", client_id: "Zk3mPq7RtXw2Yb9Lc4Nd8Vf1Hg6Js0Ae" },
    token: {
      ...times,
      iss: "https://acme.eu.auth0.com/",
      aud: audience,
      sub: "Zk3mPq7RtXw2Yb9Lc4Nd8Vf1Hg6Js0Ae@clients",
      azp: "Zk3mPq7RtXw2Yb9Lc4Nd8Vf1Hg6Js0Ae",
      gty: "client-credentials",
    },
    stranger: { sub: "another@clients", azp: "another" },
  },
};
