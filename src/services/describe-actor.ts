import type { Deps } from "../deps.ts";
import type { OrganizationRole } from "../domain/access.ts";
import { listOrganizationNames } from "../store/organizations.ts";
import type { Actor } from "./actor.ts";

export interface DescribedActor {
  readonly roles: readonly { readonly name: string; readonly role: OrganizationRole }[];
  /** The names of the organizations that its token is good for; `null`: it is not narrowed. */
  readonly narrowedTo: string[] | null;
}

/** What an actor's token opens, by the organizations' names. */
export async function describeActor({ db }: Pick<Deps, "db">, { access, token }: Actor): Promise<DescribedActor> {
  const names = await listOrganizationNames(db, [...access.roles.keys(), ...(token.organizationIds ?? [])]);
  return {
    roles: names.flatMap(({ id, name }) => {
      const role = access.roles.get(id);
      return role === undefined ? [] : [{ name, role }];
    }),
    narrowedTo:
      token.organizationIds && names.filter(({ id }) => token.organizationIds?.includes(id)).map(({ name }) => name),
  };
}
