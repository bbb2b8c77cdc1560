import type { Deps } from "../deps.ts";
import { patiently } from "../store/alone.ts";
import { listGrantsTo } from "../store/grants.ts";
import {
  type DeletedOrganization,
  forgetOrganization,
  listDeletedOrganizations,
  lockDeletedOrganization,
} from "../store/organizations.ts";
import { type Actor, requireStanding, requireSuperReader, requireSuperUser } from "./actor.ts";
import { requireMatch } from "./entity-tag.ts";
import { ManagementError, notFound } from "./management-error.ts";
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
  await patiently(deps.db, name, async (tx) => {
    const organization = await lockDeletedOrganization(tx, name);
    await requireStanding(tx, actor);
    if (!organization) throw notFound(`deleted organization ${name}`);
    const metadata = {
      created: organization.createdAt.toISOString(),
      deleted: organization.deletedAt.toISOString(),
    };
    await requireMatch(actor, metadata);
    await refuseForeignGrants(tx, name);
    await forgetOrganization(tx, organization.id);
    await recordChange(deps, tx, actor, { kind: "org_free", organization: name, metadata });
  });
}

const NAMED = 10;

/** Its own robots went with it: what is left would reach into what the next one keeps under the name. */
async function refuseForeignGrants(tx: Deps["db"], name: string): Promise<void> {
  const foreign = await listGrantsTo(tx, { patterns: [], below: `${name}/` }, NAMED + 1);
  if (foreign.length === 0) return;
  const named = foreign.slice(0, NAMED).map(({ robot, registry, pattern }) => `${robot} on ${pattern} at ${registry}`);
  throw new ManagementError(
    "conflict",
    `Robots of other organizations hold grants on ${name}/…: ${named.join(", ")}${foreign.length > NAMED ? ", and more" : ""}. ` +
      `Take these away first; GET /api/v1/grants?repository=${name}/* shows all.`,
  );
}
