import type { Deps } from "../../deps.ts";
import type { JsonObject } from "../../domain/json.ts";
import { limits } from "../../limits.ts";
import { type Issuer, listIssuers } from "../../store/issuers.ts";
import { listOrganizations, type Organization } from "../../store/organizations.ts";
import { listPrincipals, type Principal } from "../../store/principals.ts";
import { listRegistries, type Registry } from "../../store/registries.ts";
import { type Actor, requireSuperReader } from "../actor.ts";
import { bootstrapPrincipal } from "../bootstrap.ts";
import { ManagementError } from "../management-error.ts";
import { viewOfIssuer, viewOfPrincipal, viewOfRegistry } from "../views.ts";
import { readHoldings, toDocument } from "./read-organization-state.ts";

export interface ServiceHoldings {
  /** Those that were registered. */
  readonly issuers: readonly Issuer[];
  readonly registries: readonly Registry[];
  /** But for the one that every start brings back. */
  readonly principals: readonly Principal[];
  readonly organizations: readonly Organization[];
}

/** The state of the service, as a document that can be put back. */
export async function getServiceState({ db }: Pick<Deps, "db">, actor: Actor): Promise<JsonObject> {
  requireSuperReader(actor);
  return toServiceDocument(db, await readServiceHoldings(db));
}

/** @throws {ManagementError} when it is more than one document should hold */
export async function readServiceHoldings(db: Deps["db"]): Promise<ServiceHoldings> {
  const { listed: max } = limits.state;
  const [issuers, principals, organizations] = [
    await listIssuers(db, { registered: true }, max + 1),
    await listPrincipals(db, "", max + 1),
    await listOrganizations(db, { after: "", within: undefined }, max + 1),
  ];
  if (Math.max(issuers.length, principals.length, organizations.length) > max) {
    throw new ManagementError(
      "conflict",
      `There are more than ${max} issuers, principals or organizations: too many for one document. Put each organization's state by itself.`,
    );
  }
  return {
    issuers,
    registries: await listRegistries(db),
    principals: principals.filter(({ name }) => name !== bootstrapPrincipal),
    organizations,
  };
}

export async function toServiceDocument(db: Deps["db"], holdings: ServiceHoldings) {
  const organizations: Record<string, ReturnType<typeof toDocument>> = {};
  let robots = 0;
  for (const organization of holdings.organizations) {
    const held = await readHoldings(db, organization, limits.state.robots);
    robots += held.robots.size;
    if (robots > limits.state.robots) {
      throw new ManagementError(
        "conflict",
        `There are more than ${limits.state.robots} robots: too many for one document. Put each organization's state by itself.`,
      );
    }
    organizations[organization.name] = toDocument(held);
  }
  return {
    ...describeHoldings(holdings),
    organizations,
  } satisfies JsonObject;
}

export function describeHoldings({ issuers, registries, principals }: ServiceHoldings) {
  return {
    issuers: issuers.map(describeIssuer).toSorted((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1)),
    registries: Object.fromEntries(
      registries.map((registry) => {
        const { service, ...settings } = viewOfRegistry(registry);
        return [service, settings];
      }),
    ),
    principals: Object.fromEntries(
      principals.map((principal) => {
        const { description, super_user } = viewOfPrincipal({ principal, roles: [] });
        return [principal.name, { description, super_user }];
      }),
    ),
  };
}

function describeIssuer(issuer: Issuer) {
  const { registered: _, ...view } = viewOfIssuer(issuer);
  return view;
}

/** What an issuer is known by in a document: its string, and its name where it has one. */
export function nameOf({ issuer, name }: { readonly issuer: string; readonly name: string | null }): string {
  return name === null ? issuer : `${issuer} (${name})`;
}
