import type { OrganizationRole } from "../../domain/access.ts";
import type { WholeEntry } from "../../domain/federation.ts";
import type { IssuerSettings } from "../../domain/issuer-settings.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { RegistrySettings } from "../../domain/registry-settings.ts";
import type { Role } from "../../domain/role.ts";
import type { RegistryGrant } from "../manage-grants.ts";
import type { PrincipalSettings } from "../manage-principals.ts";
import type { OrganizationSettings } from "../organization-settings.ts";

/** What happens to what a section leaves out. An organization's own document deletes it, unless told otherwise. */
export type Unlisted = "delete" | "keep";

/** What an organization is to be. What is absent is left as it is; what is there is all of its kind. */
export interface WantedOrganization {
  readonly settings?: OrganizationSettings;
  /** By name. */
  readonly members?: Readonly<Record<string, OrganizationRole>>;
  /** By name, without the organization. */
  readonly robots?: Readonly<Record<string, WantedRobot>>;
  /** By the robots' names. */
  readonly prototypes?: Readonly<Record<string, Role>>;
  readonly unlisted: Unlisted;
}

export interface WantedRobot {
  readonly description?: string;
  readonly unstructuredMetadata?: JsonObject;
  readonly disabled?: boolean;
  readonly federation?: readonly WholeEntry[];
  readonly grants?: readonly RegistryGrant[];
}

export interface WantedIssuer {
  readonly issuer: string;
  readonly settings: Partial<IssuerSettings>;
}

/** What the service is to be, likewise. */
export interface WantedService {
  readonly issuers?: readonly WantedIssuer[];
  /** By their `service`. */
  readonly registries?: Readonly<Record<string, Partial<RegistrySettings>>>;
  /** By name; what they may do in organizations is told there. */
  readonly principals?: Readonly<Record<string, Partial<Omit<PrincipalSettings, "roles">>>>;
  /** By name. */
  readonly organizations?: Readonly<Record<string, WantedOrganization>>;
  readonly unlisted: Unlisted;
}
