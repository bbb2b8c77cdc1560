import type { JWK } from "jose";
import type { Deps } from "../deps.ts";
import type { Problem } from "../domain/binding.ts";
import { type IssuerSettings, settingsProblems } from "../domain/issuer-settings.ts";
import { createIssuerKey } from "../oidc/issuer-key.ts";
import type { IssuerState } from "../oidc/issuers.ts";
import { signatureAlgorithms } from "../oidc/token-shape.ts";
import { patiently } from "../store/alone.ts";
import { isUniqueViolation } from "../store/db.ts";
import {
  countBindingsTo,
  deleteIssuer as deleteIssuerRow,
  findIssuer,
  holdIssuersOf,
  type Issuer,
  insertIssuer,
  listIssuers,
  lockIssuer,
  updateIssuer,
} from "../store/issuers.ts";
import { certificatesProblem } from "../tokens/certificates.ts";
import { type Actor, requireStanding, requireSuperReader, requireSuperUser } from "./actor.ts";
import { issuerWarnings } from "./bind-issuer.ts";
import { requireMatch } from "./entity-tag.ts";
import { ManagementError, notFound, refuseProblems } from "./management-error.ts";
import { claim, once } from "./once.ts";
import { type Page, pageOf } from "./page.ts";
import { recordChange } from "./record-change.ts";
import { viewOfIssuer } from "./views.ts";

type ManageDeps = Pick<Deps, "config" | "db" | "clock" | "random" | "issuerKeys">;

/** An issuer, and what keeps its tokens from being accepted as far as is known. */
export interface KnownIssuer {
  readonly issuer: Issuer;
  readonly warnings: readonly string[];
}

/** Whose share of the fetches under way a superuser's are. */
const PARTY = "superusers";

export async function registerIssuer(
  deps: ManageDeps,
  actor: Actor,
  string: string,
  settings: IssuerSettings,
): Promise<KnownIssuer> {
  requireSuperUser(actor);
  await checkSettings(deps, string, settings);
  const issuer: Issuer = {
    ...toRow(settings),
    id: deps.random.uuid(),
    issuer: string,
    registered: true,
    revision: 1,
    createdAt: new Date(deps.clock.now()),
  };
  const insert = () =>
    patiently(deps.db, "/issuers", async (tx) => {
      await requireStanding(tx, actor);
      await claim(deps, tx, actor, issuer.id);
      const others = await holdIssuersOf(tx, string);
      refuseSharedKeys(settings, others);
      await insertIssuer(tx, issuer);
      await recordChange(deps, tx, actor, {
        kind: "create_issuer",
        after: viewOfIssuer(issuer),
        metadata: factsOf(issuer),
      });
      return others;
    });
  const make = async () => describeNew(deps, issuer, await refuseTakenName(insert));
  return once(make, (id) => getIssuer(deps, actor, id));
}

async function describeNew(deps: ManageDeps, issuer: Issuer, sharing: readonly Issuer[]): Promise<KnownIssuer> {
  if (!issuer.disabled) await deps.issuerKeys.inspect(issuer, PARTY);
  const known = know(deps, issuer);
  const others = sharing.map(({ id, name }) => (name === null ? id : `${id} (${name})`)).join(", ");
  return others === ""
    ? known
    : {
        issuer,
        warnings: [
          ...known.warnings,
          `Other issuers share this string: ${others}. Bindings to them stay with them; a new one has to name its issuer_id where several are registered.`,
        ],
      };
}

export async function getIssuer(deps: ManageDeps, actor: Actor, id: string): Promise<KnownIssuer> {
  requireSuperReader(actor);
  return know(deps, (await findIssuer(deps.db, id)) ?? refuseUnknown(id));
}

export async function pageIssuers(
  deps: ManageDeps,
  actor: Actor,
  {
    limit,
    ...filter
  }: { readonly issuer?: string | undefined; readonly after?: string | undefined; readonly limit: number },
): Promise<Page<KnownIssuer>> {
  requireSuperReader(actor);
  const { items, ...page } = pageOf(await listIssuers(deps.db, filter, limit + 1), limit, ({ id }) => id);
  return { items: items.map((issuer) => know(deps, issuer)), ...page };
}

/** Changes an issuer; one that a binding opened is registered thereby. What its keys were is forgotten at once. */
export async function changeIssuer(
  deps: ManageDeps,
  actor: Actor,
  id: string,
  change: Partial<IssuerSettings>,
): Promise<KnownIssuer> {
  requireSuperUser(actor);
  const issuer = await refuseTakenName(() =>
    patiently(deps.db, "/issuers", async (tx) => {
      const before = (await lockIssuer(tx, id)) ?? refuseUnknown(id);
      await requireStanding(tx, actor);
      await requireMatch(actor, viewOfIssuer(before));
      const settings = { ...before, ...change };
      await checkSettings(deps, before.issuer, settings);
      const sharing = await holdIssuersOf(tx, before.issuer);
      refuseSharedKeys(
        settings,
        sharing.filter((one) => one.id !== id),
      );
      const decides = Object.keys(change).some((name) => name !== "name") || !before.registered;
      const revision = before.revision + (decides ? 1 : 0);
      const after = { ...before, ...toRow(settings), registered: true, revision };
      const { id: _, issuer: __, createdAt: ___, ...row } = after;
      await updateIssuer(tx, id, row);
      await recordChange(deps, tx, actor, {
        kind: "change_issuer",
        before: viewOfIssuer(before),
        after: viewOfIssuer(after),
        metadata: factsOf(after),
      });
      return after;
    }),
  );
  if (!issuer.disabled) await deps.issuerKeys.inspect(issuer, PARTY);
  return know(deps, issuer);
}

/** @param cascade whether the bindings to it go too; otherwise they keep it */
export async function deleteIssuer(deps: ManageDeps, actor: Actor, id: string, cascade: boolean): Promise<void> {
  requireSuperUser(actor);
  await patiently(deps.db, "/issuers", async (tx) => {
    const issuer = (await lockIssuer(tx, id)) ?? refuseUnknown(id);
    await requireStanding(tx, actor);
    const before = viewOfIssuer(issuer);
    await requireMatch(actor, before);
    const bindings = await countBindingsTo(tx, id);
    if (bindings > 0 && !cascade) {
      throw new ManagementError(
        "conflict",
        `${bindings} bindings trust this issuer: delete them first, or with it by ?cascade=true.`,
      );
    }
    await deleteIssuerRow(tx, id);
    const metadata = { ...factsOf(issuer), bindings };
    await recordChange(deps, tx, actor, { kind: "delete_issuer", before, metadata });
  });
}

export interface RefreshedIssuer {
  readonly issuer: Issuer;
  readonly state: IssuerState;
}

/** Asks an issuer for its keys now; every instance forgets what it knew. */
export async function refreshIssuer(deps: ManageDeps, actor: Actor, id: string): Promise<RefreshedIssuer> {
  requireSuperUser(actor);
  const issuer = (await findIssuer(deps.db, id)) ?? refuseUnknown(id);
  const state = await deps.issuerKeys.refresh(issuer);
  if (state.refusal) {
    const detail = "detail" in state.refusal ? state.refusal.detail : state.refusal.code;
    throw new ManagementError("issuer_unreachable", `The issuer's keys cannot be had: ${detail}.`);
  }
  const changed = await patiently(deps.db, "/issuers", async (tx) => {
    const { revision } = (await lockIssuer(tx, id)) ?? refuseUnknown(id);
    await requireStanding(tx, actor);
    await updateIssuer(tx, id, { revision: revision + 1 });
    const metadata = { ...factsOf(issuer), kids: [...state.keys.keys()] };
    await recordChange(deps, tx, actor, { kind: "refresh_issuer", metadata });
    return revision !== issuer.revision;
  });
  if (!changed) deps.issuerKeys.carryOver(issuer, issuer.revision + 1);
  return { issuer, state };
}

function know(deps: ManageDeps, issuer: Issuer): KnownIssuer {
  return { issuer, warnings: issuerWarnings(deps, issuer) };
}

async function checkSettings({ config }: ManageDeps, issuer: string, settings: IssuerSettings): Promise<void> {
  const rules = { publicUrl: config.publicUrl, allowInsecure: config.allowInsecureIssuers };
  refuseProblems(settingsProblems(issuer, settings, rules));
  const unreadable = settings.caPem === null ? undefined : await certificatesProblem(settings.caPem);
  if (unreadable) refuseProblems([{ path: ["ca_pem"], message: unreadable }]);
  const problems: Problem[] = [];
  for (const [index, jwk] of (settings.jwks?.keys ?? []).entries()) {
    const message = await unusable(jwk as JWK, settings.algorithms ?? signatureAlgorithms);
    if (message) problems.push({ path: ["jwks", "keys", index], message });
  }
  refuseProblems(problems);
}

/** A key that no algorithm can use would never be missed until the first token. */
async function unusable(jwk: JWK, algorithms: readonly string[]): Promise<string | undefined> {
  const key = createIssuerKey(jwk);
  const fitting = algorithms.filter((alg) => key.problem(alg) === undefined);
  for (const alg of fitting) if (await key.imported(alg)) return undefined;
  const unfit = key.problem() ?? `it is no key for ${algorithms.join(", ")}`;
  return `cannot be used: ${fitting.length > 0 ? "it cannot be read" : unfit}`;
}

/** Keys belong to one issuer: one that two have would let each stand in for the other. */
function refuseSharedKeys(settings: IssuerSettings, others: readonly Issuer[]): void {
  const taken = new Map(others.flatMap(({ id, jwks }) => (jwks?.keys ?? []).map((key) => [pointOf(key), id])));
  const keys = (settings.jwks?.keys ?? []) as readonly JWK[];
  refuseProblems(
    keys.flatMap((key, index) => {
      const owner = taken.get(pointOf(key));
      return owner === undefined
        ? []
        : [{ path: ["jwks", "keys", index], message: `is a key of the issuer ${owner}, which has the same string` }];
    }),
  );
}

function pointOf({ n, x, y }: JWK): string {
  return JSON.stringify([n, x, y]);
}

function toRow(settings: IssuerSettings) {
  const { name, preset, jwksUri, caPem, algorithms, allowPrivateNetwork } = settings;
  const { maxTokenAge, replayProtection, audiences, clients, disabled } = settings;
  const jwks = settings.jwks as Issuer["jwks"];
  const where = { name, preset, jwks, jwksUri, caPem, algorithms, allowPrivateNetwork };
  return { ...where, maxTokenAge, replayProtection, audiences, clients, disabled };
}

async function refuseTakenName<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new ManagementError("conflict", "Another issuer has that name.", [
      { path: ["name"], message: "is another issuer's" },
    ]);
  }
}

function refuseUnknown(id: string): never {
  throw notFound(`issuer ${id}`);
}

function factsOf({ id, issuer, name }: Issuer) {
  return { issuer_id: id, issuer, name };
}
