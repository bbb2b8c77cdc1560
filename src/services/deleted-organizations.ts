import type { Deps } from "../deps.ts";
import { patiently } from "../store/alone.ts";
import {
  type DeletedOrganization,
  forgetOrganization,
  listDeletedOrganizations,
  lockDeletedOrganization,
} from "../store/organizations.ts";
import { type Actor, requireStanding, requireSuperReader, requireSuperUser } from "./actor.ts";
import { requireMatch } from "./entity-tag.ts";
import { notFound } from "./management-error.ts";
import { type Page, pageOf } from "./page.ts";
import { recordChange } from "./record-change.ts";

/** Deleted organizations whose names are still taken, by name. */
export async function pageDeletedOrganizations(
  { db }: Pick<Deps, "db">,
  actor: Actor,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<Page<DeletedOrganization>> {
  requireSuperReader(actor);
  return pageOf(await listDeletedOrganizations(db, after, limit + 1), limit, ({ name }) => name);
}

/** Gives the name of a deleted organization free. What is left of it in registries is then the next one's. */
export async function freeName(deps: Pick<Deps, "db" | "clock" | "random">, actor: Actor, name: string): Promise<void> {
  requireSuperUser(actor);
  await patiently(deps.db, async (tx) => {
    const organization = await lockDeletedOrganization(tx, name);
    await requireStanding(tx, actor);
    if (!organization) throw notFound(`deleted organization ${name}`);
    const metadata = {
      created: organization.createdAt.toISOString(),
      deleted: organization.deletedAt.toISOString(),
    };
    await requireMatch(actor, metadata);
    await forgetOrganization(tx, organization.id);
    await recordChange(deps, tx, actor, { kind: "org_free", organization: name, metadata });
  });
}
