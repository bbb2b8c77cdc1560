import { type Cache, createCache } from "../domain/cache.ts";
import { limits } from "../limits.ts";
import type { BindingRecord } from "../store/bindings.ts";
import type { Change, ChangeListener } from "../store/changes.ts";
import type { Issuer } from "../store/issuers.ts";
import type { LoginFacts } from "../store/login-facts.ts";
import type { Registry } from "../store/registries.ts";
import type { Robot, RobotOfOrganization } from "../store/robots.ts";
import type { VerifiedRobotToken } from "../tokens/robot-token.ts";

/** Of a robot and its organization, what decides. */
export interface RobotFacts {
  readonly robot: Pick<Robot, "id" | "organizationId" | "disabled" | "tokenEpoch">;
  readonly organization: Pick<RobotOfOrganization["organization"], "id" | "audiences" | "clients">;
}

/** A robot that exchanges tokens, with its bindings in order. */
export interface Federation extends RobotFacts {
  readonly bindings: readonly BindingRecord[];
}

/** A static token, and whose it is. */
export interface StaticLogin {
  readonly expiresAt: Date | null;
  readonly robot: Pick<Robot, "id" | "name" | "disabled">;
  readonly organization: Pick<RobotOfOrganization["organization"], "id" | "name" | "robotTokens">;
}

/** What was read of the database, as values alone: it may outlive the request that read it. */
export interface RecallMemory extends ChangeListener {
  /** Moves with every change: what was asked for before it is not put down after it. */
  readonly generation: number;
  /** By `org+robot`. */
  readonly logins: Cache<LoginFacts>;
  readonly federations: Cache<Federation>;
  /** By `jti`. */
  readonly unrevoked: Cache<true>;
  /** By hash. */
  readonly staticTokens: Cache<StaticLogin>;
  /** By id. */
  readonly issuers: Cache<Issuer>;
  /** The patterns that open a repository to anybody, by registry and repository. */
  readonly open: Cache<readonly string[]>;
  /** By `service`; empty: the default one. */
  readonly registries: Map<string, { readonly registry: Registry; readonly readAt: number }>;
}

/** That count as one more. */
const CHARACTERS = 500;

/** A good robot token need not be verified a second time. */
export function createVerdicts(): Cache<VerifiedRobotToken> {
  return createCache(limits.recalled.tokens, { weigh: ({ scope = "" }) => 1 + scope.length / CHARACTERS });
}

export function createRecallMemory(): RecallMemory {
  let generation = 0;
  const { robots, partsOfRobot, bindings, tokens, issuers, repositories } = limits.recalled;
  const logins = createCache<LoginFacts>(robots, {
    weigh: ({ grants, bindings: bound }) => 1 + (grants.length + Object.keys(bound).length) / partsOfRobot,
    groupOf: ({ robotId }) => robotId,
  });
  const federations = createCache<Federation>(bindings, {
    weigh: (one) => 1 + JSON.stringify(one.bindings).length / CHARACTERS,
    groupOf: ({ robot }) => robot.id,
  });
  const unrevoked = createCache<true>(tokens);
  const staticTokens = createCache<StaticLogin>(tokens, { groupOf: ({ robot }) => robot.id });
  const known = createCache<Issuer>(issuers);
  const open = createCache<readonly string[]>(repositories);
  const registries: RecallMemory["registries"] = new Map();

  return {
    get generation() {
      return generation;
    },
    logins,
    federations,
    unrevoked,
    staticTokens,
    issuers: known,
    open,
    registries,
    heard(change) {
      generation += 1;
      forget(change);
    },
    missed() {
      generation += 1;
      clear();
    },
  };

  function clear(): void {
    for (const cache of [logins, federations, unrevoked, staticTokens, known, open, registries]) cache.clear();
  }

  function forget(change: Change): void {
    switch (change.of) {
      case "robot":
        for (const cache of [logins, federations, staticTokens]) cache.forgetGroup(change.id);
        return;
      case "organization":
        logins.forget(({ organizationId }) => organizationId === change.id);
        federations.forget(({ organization }) => organization.id === change.id);
        staticTokens.forget(({ organization }) => organization.id === change.id);
        open.clear();
        return;
      case "issuer":
        logins.forget(({ bindings }) => Object.values(bindings).some(({ issuerId }) => issuerId === change.id));
        federations.forget(({ bindings }) => bindings.some(({ issuerId }) => issuerId === change.id));
        known.forget(({ id }) => id === change.id);
        return;
      case "revoked_token":
        unrevoked.remove(change.jti);
        return;
      case "registries":
        registries.clear();
        return;
      case "anonymous_pulls":
        open.clear();
        return;
      case "everything":
        clear();
        return;
      case "keys":
        return;
    }
  }
}
