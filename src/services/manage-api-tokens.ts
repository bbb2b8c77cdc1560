import type { Deps } from "../deps.ts";
import { isWithin, roleIn } from "../domain/access.ts";
import type { Problem } from "../domain/binding.ts";
import type { Secret } from "../domain/secret.ts";
import { limits } from "../limits.ts";
import { inTurn, patiently } from "../store/alone.ts";
import { findOrganization, listOrganizationNames } from "../store/organizations.ts";
import {
  type ApiToken,
  deleteApiToken as deleteApiTokenRow,
  findPrincipal,
  insertApiToken,
  listApiTokens,
  lockPrincipal,
  lockTokensOf,
  type Principal,
} from "../store/principals.ts";
import { generateOpaqueToken } from "../tokens/opaque-token.ts";
import { sha256 } from "../tokens/signing-key.ts";
import { type Actor, requireStanding } from "./actor.ts";
import { refuseLastSuperUserGone } from "./manage-principals.ts";
import { ManagementError, notFound, refuseProblems } from "./management-error.ts";
import { claim, once } from "./once.ts";
import { recordChange } from "./record-change.ts";
import { viewOfApiToken } from "./views.ts";

type ManageDeps = Pick<Deps, "db" | "clock" | "random">;

export interface NewApiToken {
  readonly name: string;
  readonly readOnly: boolean;
  /** The names of those that it is good for; `null`: all that its principal may. */
  readonly organizations: readonly string[] | null;
  /** `null`: when it is ended. */
  readonly expiresAt: Date | null;
}

export interface KnownApiToken {
  readonly token: ApiToken;
  /** The names of those that it is narrowed to, and that are still there. */
  readonly organizations: readonly string[] | null;
  /** In the one reply that makes it. */
  readonly secret?: Secret;
}

/** The API tokens of a principal, by name: for who may see all, or of the caller's own those that are no more than it sent. */
export async function listTokens({ db }: Pick<Deps, "db">, actor: Actor, name: string): Promise<KnownApiToken[]> {
  const principal = await findPrincipal(db, name);
  if (!principal || !(actor.access.superUser || principal.id === actor.id)) throw notFound(`principal ${name}`);
  const tokens = await listApiTokens(db, principal.id);
  return knowAll(db, actor.access.superUser ? tokens : tokens.filter((token) => isWithin(token, actor.token)));
}

/** One of those. */
export async function getToken(deps: Pick<Deps, "db">, actor: Actor, name: string, id: string): Promise<KnownApiToken> {
  const known = (await listTokens(deps, actor, name)).find(({ token }) => token.id === id);
  if (!known) throw noToken(name, id);
  return known;
}

/** Makes an API token, which can do and last no more than the one that makes it. */
export async function createToken(
  deps: ManageDeps,
  actor: Actor,
  name: string,
  given: NewApiToken,
): Promise<KnownApiToken> {
  const secret = generateOpaqueToken("api");
  const tokenHash = await sha256(secret.reveal());
  const id = deps.random.uuid();
  const make = () =>
    patiently(deps.db, `/principals/${name}`, async (tx) => {
      const principal = requireOwn(actor, name, await lockTokensOf(tx, name));
      await requireStanding(tx, actor);
      await claim(deps, tx, actor, id);
      const token: ApiToken = {
        id,
        principalId: principal.id,
        name: given.name,
        tokenHash,
        readOnly: given.readOnly,
        organizationIds: given.organizations && (await readOrganizations(tx, actor, given.organizations)),
        createdAt: new Date(deps.clock.now()),
        createdBy: actor.name,
        expiresAt: given.expiresAt,
        lastUsed: null,
      };
      refuseMore(deps, actor, token);
      refuseTaken(principal, token, await listApiTokens(tx, principal.id));
      await insertApiToken(tx, token);
      await recordChange(deps, tx, actor, {
        kind: "create_api_token",
        after: viewOfApiToken(token, given.organizations),
        metadata: { principal: name, token_id: id },
      });
      return { token, organizations: given.organizations, secret };
    });
  return once(make, (madeId) => getToken(deps, actor, name, madeId));
}

/** Ends an API token at once. Every token may end itself. */
export async function deleteToken(deps: ManageDeps, actor: Actor, name: string, id: string): Promise<void> {
  await inTurn(deps.db, async (tx) => {
    const found = await lockPrincipal(tx, name);
    await requireStanding(tx, actor);
    const principal = actor.token.id === id && found?.id === actor.id ? found : requireOwn(actor, name, found);
    const token = (await listApiTokens(tx, principal.id)).find((one) => one.id === id);
    if (!token) throw noToken(name, id);
    if (token.id !== actor.token.id && !isWithin(token, actor.token)) {
      throw new ManagementError("forbidden", "A token may end itself, and those that can do no more than it can.");
    }
    await deleteApiTokenRow(tx, id);
    if (principal.superUser) await refuseLastSuperUserGone(deps, tx);
    const [known] = await knowAll(tx, [token]);
    await recordChange(deps, tx, actor, {
      kind: "delete_api_token",
      before: viewOfApiToken(token, known?.organizations ?? null),
      metadata: { principal: name, token_id: id },
    });
  });
}

function noToken(name: string, id: string): ManagementError {
  return notFound(`API token ${id} of ${name}`);
}

/** Superusers make and end everybody's tokens, others their own; a token that only reads, none. */
function requireOwn(actor: Actor, name: string, principal: Principal | undefined): Principal {
  const { superUser } = actor.access;
  if (!principal || !(superUser || principal.id === actor.id)) throw notFound(`principal ${name}`);
  if (actor.token.readOnly || (superUser !== true && principal.id !== actor.id)) {
    throw new ManagementError(
      "forbidden",
      "Only a superuser, or the principal itself, may do this, and no token that only reads.",
    );
  }
  return principal;
}

async function readOrganizations(tx: Deps["db"], { access }: Actor, names: readonly string[]): Promise<string[]> {
  const problems: Problem[] = [];
  const ids: string[] = [];
  for (const [index, name] of names.entries()) {
    const organization = await findOrganization(tx, name);
    if (organization && roleIn(access, organization.id)) ids.push(organization.id);
    else problems.push({ path: ["organizations", index], message: "is no organization that you know of" });
  }
  refuseProblems(problems);
  return [...new Set(ids)];
}

/** @throws {ManagementError} when a token would be more than the one that makes it */
function refuseMore({ clock }: ManageDeps, { token: maker }: Actor, token: ApiToken): void {
  if (token.expiresAt && token.expiresAt.getTime() <= clock.now()) {
    refuseProblems([{ path: ["expires_at"], message: "must lie in the future" }]);
  }
  if (!isWithin(token, maker)) {
    throw new ManagementError(
      "forbidden",
      "The token that makes it is narrowed, and gives no more than it has: name some of its organizations, and read_only if it is.",
    );
  }
  if (maker.expiresAt && !(token.expiresAt && token.expiresAt <= maker.expiresAt)) {
    throw new ManagementError(
      "forbidden",
      `The token that makes it expires at ${maker.expiresAt.toISOString()}, and makes none that lasts longer: send expires_at.`,
    );
  }
}

function refuseTaken({ name }: Principal, token: ApiToken, others: readonly ApiToken[]): void {
  if (others.some((other) => other.name === token.name)) {
    throw new ManagementError("conflict", `${name} has a token of that name: end it first, or take another name.`);
  }
  if (others.length >= limits.apiTokensPerPrincipal) {
    throw new ManagementError("conflict", `${name} has ${others.length} tokens, and more would go unseen: end some.`);
  }
}

async function knowAll(db: Deps["db"], tokens: readonly ApiToken[]): Promise<KnownApiToken[]> {
  const ids = tokens.flatMap(({ organizationIds }) => organizationIds ?? []);
  const names = new Map((await listOrganizationNames(db, ids)).map(({ id, name }) => [id, name]));
  return tokens.map((token) => ({
    token,
    organizations: token.organizationIds?.flatMap((id) => names.get(id) ?? []) ?? null,
  }));
}
