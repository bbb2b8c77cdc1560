import type { Deps } from "../deps.ts";
import { formatRobotName, parseRobotName, type RobotName } from "../domain/names.ts";
import { authorize, type Grant, parseNarrowing, parseScopes, type ResourceActions } from "../domain/scope.ts";
import type { Secret } from "../domain/secret.ts";
import { isPlainText, printable } from "../domain/text.ts";
import { limits } from "../limits.ts";
import { epochSeconds } from "../platform.ts";
import { listBindings } from "../store/bindings.ts";
import { listGrantsOn } from "../store/grants.ts";
import { findDefaultRegistry, findRegistry, type Registry } from "../store/registries.ts";
import { isRevoked } from "../store/revoked-tokens.ts";
import { findRobot, touchRobot } from "../store/robots.ts";
import { mintRegistryToken } from "../tokens/registry-token.ts";
import { type RobotToken, verifyRobotToken } from "../tokens/robot-token.ts";
import { type RequestOrigin, recordAudit } from "./audit.ts";
import { distrust } from "./judge.ts";

export interface Login {
  /** Absent with an identity token, which says itself whose it is. */
  readonly username?: string;
  readonly password: Secret;
}

export interface AuthorizeRequest extends RequestOrigin {
  /** Absent: anonymous. */
  readonly login?: Login;
  /** Absent or empty: the default registry. */
  readonly service?: string;
  readonly scopes: readonly string[];
}

export interface IssuedRegistryToken {
  readonly token: string;
  readonly access: readonly ResourceActions[];
  /** Epoch seconds. */
  readonly issuedAt: number;
  /** Seconds. */
  readonly expiresIn: number;
}

export type AuthorizeResult =
  | { readonly ok: true; readonly issued: IssuedRegistryToken }
  | { readonly ok: false; readonly refusal: AuthorizeRefusal };

export type AuthorizeRefusal =
  | { readonly code: "service_unknown"; readonly service: string }
  | { readonly code: "scope_invalid"; readonly detail: string }
  | { readonly code: "credential_missing" }
  | { readonly code: LoginRefusalCode; readonly detail: string };

export type LoginRefusalCode =
  | "credential_unreadable"
  | "credential_invalid"
  | "credential_expired"
  | "credential_revoked";

type AuthorizeDeps = Pick<Deps, "config" | "db" | "clock" | "random" | "log" | "keys">;

/** A robot whose credential was good, and what it may do. */
interface Holder {
  readonly robot: RobotName;
  readonly grants: readonly Grant[];
  readonly narrowed?: readonly Grant[];
}

const NOBODY = { grants: [] } as const;

/**
 * Turns a credential into a registry token: what is asked for ∩ what is held, which may be nothing.
 * Without a scope it is a login, which nobody passes without a credential.
 */
export async function issueRegistryToken(deps: AuthorizeDeps, request: AuthorizeRequest): Promise<AuthorizeResult> {
  const registry = await chooseRegistry(deps, request.service);
  if (!registry) return refuse({ code: "service_unknown", service: printable(request.service ?? "") });

  const scopes = parseScopes(request.scopes);
  if (!scopes.ok) {
    const detail =
      scopes.reason === "too_many"
        ? `more than ${limits.scopes} scopes`
        : `${JSON.stringify(printable(scopes.scope))} is no scope, such as repository:acme/app:pull,push`;
    return refuse({ code: "scope_invalid", detail });
  }
  if (!request.login) {
    if (scopes.resources.length === 0) return refuse({ code: "credential_missing" });
    return { ok: true, issued: await mint(deps, registry, NOBODY, scopes.resources) };
  }

  const holder = await authenticate(deps, registry, request.login);
  if ("code" in holder) {
    await recordRefusal(deps, request, request.login.username, registry, holder);
    return refuse(holder);
  }
  return { ok: true, issued: await mint(deps, registry, holder, scopes.resources) };
}

async function chooseRegistry({ db }: AuthorizeDeps, service: string | undefined): Promise<Registry | undefined> {
  if (!service) return findDefaultRegistry(db);
  return isPlainText(service) ? findRegistry(db, service) : undefined;
}

type LoginRefusal = { readonly code: LoginRefusalCode; readonly detail: string };

async function authenticate(deps: AuthorizeDeps, registry: Registry, login: Login): Promise<Holder | LoginRefusal> {
  const robot = login.username === undefined ? undefined : parseRobotName(login.username);
  if (login.username !== undefined && !robot) {
    return { code: "credential_unreadable", detail: "The user name must be a robot's: organization+robot." };
  }
  const now = epochSeconds(deps.clock);
  const { verifying } = await deps.keys.robotToken();
  const verified = await verifyRobotToken(login.password.reveal(), deps.config, verifying, now);
  if (!verified.ok) {
    return verified.reason === "expired"
      ? {
          code: "credential_expired",
          detail: `The robot token expired at ${new Date(verified.exp * 1000).toISOString()}: exchange an OIDC token for a new one.`,
        }
      : { code: "credential_invalid", detail: "The password is no robot token of this service." };
  }
  if (robot && formatRobotName(verified.token.robot) !== formatRobotName(robot)) {
    return { code: "credential_invalid", detail: "The robot token is another robot's." };
  }
  return (
    (await findHolder(deps, registry, verified.token)) ?? {
      code: "credential_revoked",
      detail:
        "The robot token was ended: it was revoked, or its robot, its binding or its issuer was changed, disabled or deleted.",
    }
  );
}

/** The robot of a verified token, while robot, binding, that version of it and its issuer stand. */
async function findHolder(
  { config, db, clock }: AuthorizeDeps,
  registry: Registry,
  token: RobotToken,
): Promise<Holder | undefined> {
  const found = await findRobot(db, token.robot);
  if (!found || found.robot.disabled) return undefined;
  const [bindings, grants, revoked] = await Promise.all([
    listBindings(db, found.robot.id),
    listGrantsOn(db, found.robot.id, registry.id),
    isRevoked(db, token.jti),
  ]);
  if (revoked) return undefined;
  const binding = bindings.find(({ id }) => id === token.bindingId);
  if (
    !binding ||
    binding.version !== token.bindingVersion ||
    distrust({ config }, { disabled: binding.issuerDisabled, registered: binding.issuerRegistered })
  )
    return undefined;

  const narrowing = token.scope === undefined ? undefined : parseNarrowing(token.scope, Number.POSITIVE_INFINITY);
  if (narrowing && !narrowing.ok) return undefined;
  await noteUse(db, found.robot.id, new Date(clock.now()));
  return { robot: token.robot, grants, ...(narrowing && { narrowed: narrowing.grants }) };
}

/** A robot's last use is told to the minute: a write for each request would buy nobody anything. */
async function noteUse(db: Deps["db"], robotId: string, at: Date): Promise<void> {
  await touchRobot(db, robotId, at, new Date(at.getTime() - 60_000));
}

async function mint(
  deps: AuthorizeDeps,
  registry: Registry,
  holder: Holder | typeof NOBODY,
  asked: readonly ResourceActions[],
): Promise<IssuedRegistryToken> {
  const { robot, narrowed } = { robot: undefined, narrowed: undefined, ...holder };
  const access = authorize(asked, holder.grants, narrowed);
  const issuedAt = epochSeconds(deps.clock);
  const ttl = deps.config.registryTokenTtl;
  const { signing } = await deps.keys.registry(registry.id);
  const jti = deps.random.uuid();
  const token = await mintRegistryToken(
    {
      issuer: deps.config.publicUrl,
      service: registry.service,
      subject: robot ? formatRobotName(robot) : "",
      access,
      jti,
      issuedAt,
      ttl,
    },
    signing,
  );
  return { token, access, issuedAt, expiresIn: ttl };
}

async function recordRefusal(
  deps: AuthorizeDeps,
  { requestId, clientAddress }: RequestOrigin,
  username: string | undefined,
  registry: Registry,
  { code, detail }: LoginRefusal,
): Promise<void> {
  const robot = username === undefined ? undefined : parseRobotName(username);
  await recordAudit(deps.db, deps, {
    requestId,
    clientAddress,
    kind: "registry_token",
    ...(robot && { organization: robot.organization, robot: formatRobotName(robot) }),
    outcome: "refused",
    code,
    metadata: { service: registry.service, detail },
  });
}

function refuse(refusal: AuthorizeRefusal): AuthorizeResult {
  return { ok: false, refusal };
}
