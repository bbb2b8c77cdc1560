import type { WholeEntry } from "../../domain/federation.ts";
import type { JsonObject } from "../../domain/json.ts";
import { namePatterns } from "../../domain/names.ts";
import { servicePattern } from "../../domain/registry-settings.ts";
import { roles } from "../../domain/role.ts";
import { limits } from "../../limits.ts";
import { plainTerms } from "../../services/change-federation.ts";
import type { WantedOrganization, WantedRobot, WantedService } from "../../services/desired-state/wanted.ts";
import { terms, toTerms } from "./binding-schema.ts";
import { grant } from "./grants.ts";
import { issuerSettings, issuerString, toIssuerSettings } from "./issuers.ts";
import { organizationRole } from "./members.ts";
import { organizationSettings, toOrganizationSettings } from "./organizations.ts";
import { principalSettings, toPrincipalSettings } from "./principals.ts";
import { registrySettings, toRegistrySettings } from "./registries.ts";
import { z } from "./route.ts";
import { formed, prose, robotMetadata } from "./schemas.ts";

const { min: minLength, max: maxLength } = limits.name;
const name = formed(1024, { pattern: namePatterns.name, minLength, maxLength });
const member = formed(1024, { pattern: namePatterns.member, minLength, maxLength: 2 * maxLength + 1 });
const service = formed(1024, { pattern: servicePattern, minLength: 1, maxLength: 255 });
const $schema = z.string().optional().describe("For editors");
const unlisted = z.enum(["delete", "keep"]).optional();

/** An entry says all of a binding: what it leaves out is as in a new one. */
const entry = terms.extend({
  issuer_id: z.uuid().optional().describe("Which of the issuers that share the string"),
});

const robot = z.strictObject({
  description: prose(limits.binding.description).optional(),
  unstructured_metadata: robotMetadata.optional(),
  disabled: z.boolean().optional(),
  federation: z.array(entry).max(limits.binding.perRobot).optional(),
  grants: z.array(grant).max(limits.grantsPerRobot).optional(),
});

export const organizationState = z
  .strictObject({
    $schema,
    settings: organizationSettings.partial().strict().optional(),
    members: z.record(member, organizationRole).optional().describe("Principals, and robots in full"),
    robots: z.record(name, robot).optional().describe("By name, without the organization"),
    prototypes: z
      .record(name, z.enum(roles))
      .optional()
      .describe("Robots that have a role on all of the organization's repositories"),
    unlisted: unlisted.describe(
      "What happens to what a section leaves out; absent: it is deleted, or in the service's document what that says",
    ),
  })
  .describe("What is absent is left as it is; a section that is there lists all of its kind")
  .openapi("OrganizationState");

const principal = principalSettings.omit({ roles: true }).partial().strict();

export const serviceState = z
  .strictObject({
    $schema,
    issuers: z
      .array(issuerSettings.extend({ issuer: issuerString }).strict())
      .max(limits.state.listed)
      .optional()
      .describe("Registered ones, known by their string, and by their name where they have one"),
    registries: z.record(service, registrySettings.strict()).optional().describe("By `service`"),
    principals: z.record(name, principal).optional().describe("All but `admin`"),
    organizations: z.record(name, organizationState).optional(),
    unlisted: unlisted.describe("What happens to what a section leaves out; absent: it is kept"),
  })
  .describe("What is absent is left as it is; a section that is there lists all of its kind")
  .openapi("State");

/** @param byDefault what happens to what a section leaves out, where the document does not say */
export function toWantedOrganization(
  sent: z.infer<typeof organizationState>,
  byDefault: WantedOrganization["unlisted"] = "delete",
): WantedOrganization {
  const { settings, members, robots, prototypes } = sent;
  return {
    ...(settings && { settings: toOrganizationSettings(settings) }),
    ...(members && { members }),
    ...(robots && { robots: mapValues(robots, toWantedRobot) }),
    ...(prototypes && { prototypes }),
    unlisted: sent.unlisted ?? byDefault,
  };
}

export function toWantedService(sent: z.infer<typeof serviceState>): WantedService {
  const { issuers, registries, principals, organizations, unlisted: kept = "keep" } = sent;
  return {
    ...(issuers && {
      issuers: issuers.map(({ issuer, ...settings }) => ({ issuer, settings: toIssuerSettings(settings) })),
    }),
    ...(registries && { registries: mapValues(registries, toRegistrySettings) }),
    ...(principals && { principals: mapValues(principals, toPrincipalSettings) }),
    ...(organizations && { organizations: mapValues(organizations, (one) => toWantedOrganization(one, kept)) }),
    unlisted: kept,
  };
}

function toWantedRobot(sent: z.infer<typeof robot>): WantedRobot {
  const { description, unstructured_metadata, disabled, federation, grants } = sent;
  return {
    ...(description !== undefined && { description }),
    ...(unstructured_metadata && { unstructuredMetadata: unstructured_metadata as JsonObject }),
    ...(disabled !== undefined && { disabled }),
    ...(federation && { federation: federation.map(toEntry) }),
    ...(grants && { grants }),
  };
}

function toEntry({ issuer, subject, issuer_id, description = null, ...rest }: z.infer<typeof entry>): WholeEntry {
  return {
    issuer,
    subject,
    ...(issuer_id !== undefined && { issuerId: issuer_id }),
    terms: { ...plainTerms({ issuer, subject }), ...toTerms(rest) },
    description,
  };
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
