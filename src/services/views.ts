import type { JWK } from "jose";
import type { JsonObject } from "../domain/json.ts";
import { signatureAlgorithms } from "../oidc/token-shape.ts";
import type { BindingRecord } from "../store/bindings.ts";
import type { Issuer } from "../store/issuers.ts";
import type { ApiToken, NamedRole, Principal } from "../store/principals.ts";
import type { Registry } from "../store/registries.ts";
import type { Robot } from "../store/robots.ts";
import type { OrganizationWithSettings } from "./with-settings.ts";

/*
 * What can be edited of each thing, by the names that the API has for it: entity tags stand for it, the audit
 * log compares it, and the desired state is written in it. Secrets are in none.
 */

export function viewOfOrganization({ organization, anonymousPulls }: OrganizationWithSettings) {
  return {
    email: organization.email,
    audiences: organization.audiences && [...organization.audiences],
    clients: organization.clients && [...organization.clients],
    robot_tokens: organization.robotTokens,
    anonymous_pull: anonymousPulls.map(({ registry, pattern }) => ({ registry, repository: pattern })),
    repository_prefixes: [...organization.repositoryPrefixes],
  } satisfies JsonObject;
}

export function viewOfRobot({ description, unstructuredMetadata, disabled }: Robot) {
  return { description, unstructured_metadata: { ...unstructuredMetadata }, disabled } satisfies JsonObject;
}

export function viewOfBinding(binding: BindingRecord) {
  return {
    id: binding.id,
    version: binding.version,
    issuer: binding.issuer,
    issuer_id: binding.issuerId,
    subject: binding.subject,
    audiences: binding.audiences && [...binding.audiences],
    clients: binding.clients && [...binding.clients],
    claims: binding.claims as JsonObject | null,
    token_ttl: binding.tokenTtl,
    scope: binding.scope,
    mode: binding.mode,
    api: binding.api,
    expires_at: binding.expiresAt === null ? null : new Date(binding.expiresAt * 1000).toISOString(),
    description: binding.description,
  } satisfies JsonObject;
}

export function viewOfIssuer(issuer: Issuer) {
  return {
    issuer: issuer.issuer,
    registered: issuer.registered,
    name: issuer.name,
    preset: issuer.preset,
    jwks: issuer.jwks && { keys: issuer.jwks.keys.map(viewOfKey) },
    jwks_uri: issuer.jwksUri,
    ca_pem: issuer.caPem,
    algorithms: issuer.algorithms && signatureAlgorithms.filter((alg) => issuer.algorithms?.includes(alg)),
    allow_private_network: issuer.allowPrivateNetwork,
    max_token_age: issuer.maxTokenAge,
    replay_protection: issuer.replayProtection,
    audiences: issuer.audiences && [...issuer.audiences],
    clients: issuer.clients && [...issuer.clients],
    disabled: issuer.disabled,
  } satisfies JsonObject;
}

function viewOfKey(key: JWK): JsonObject {
  return key as JsonObject;
}

export function viewOfRegistry(registry: Registry) {
  return {
    service: registry.service,
    host: registry.host,
    key_profile: registry.keyProfile,
    rotation_days: registry.rotationDays,
    token_ttl: registry.tokenTtl,
    issuer: registry.issuer,
    fallback_realm: registry.fallbackRealm,
    refresh_tokens: registry.refreshTokens,
  } satisfies JsonObject;
}

export function viewOfPrincipal({
  principal,
  roles,
}: {
  readonly principal: Principal;
  readonly roles: readonly NamedRole[];
}) {
  return {
    name: principal.name,
    description: principal.description,
    kind: "service" as const,
    super_user: principal.superUser || (principal.superReader && ("read_only" as const)),
    roles: Object.fromEntries(roles.map(({ organization, role }) => [organization, role])),
  } satisfies JsonObject;
}

/** @param organizations the names of those that it is narrowed to */
export function viewOfApiToken(token: ApiToken, organizations: readonly string[] | null) {
  return {
    name: token.name,
    read_only: token.readOnly,
    organizations: organizations && [...organizations],
    expires_at: token.expiresAt?.toISOString() ?? null,
  } satisfies JsonObject;
}
