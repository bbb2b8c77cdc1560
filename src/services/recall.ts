import type { Cache } from "../domain/cache.ts";
import { formatRobotName, type RobotName } from "../domain/names.ts";
import { patternsAround } from "../domain/scope.ts";
import { limits } from "../limits.ts";
import type { Clock } from "../platform.ts";
import { listAnonymousPulls } from "../store/anonymous-pulls.ts";
import { listBindings } from "../store/bindings.ts";
import type { Change, Changes } from "../store/changes.ts";
import type { Db } from "../store/db.ts";
import { type Issuer, listIssuersById } from "../store/issuers.ts";
import { type LoginAnswer, type LoginQuestion, readLogins } from "../store/login-facts.ts";
import { findDefaultRegistry, findRegistry, type Registry } from "../store/registries.ts";
import { findRobot } from "../store/robots.ts";
import { findStaticToken } from "../store/static-tokens.ts";
import { askTogether, type Gather } from "./ask-together.ts";
import { createRecallMemory, type Federation, type RecallMemory, type StaticLogin } from "./recall-memory.ts";

/**
 * What decides who gets a token: remembered while this instance hears of changes, and asked of the database
 * else. What nobody has is never remembered.
 */
export interface Recall {
  /** @param service empty: the default registry */
  registry(service: string): Promise<Registry | undefined>;
  login(asked: LoginAsked): Promise<LoginAnswer>;
  /** The patterns that let anybody pull one of the repositories from a registry. */
  open(registryId: string, repositories: readonly string[]): Promise<readonly string[]>;
  /** By its hash, expired or not. */
  staticToken(hash: string): Promise<StaticLogin | undefined>;
  federation(name: RobotName): Promise<Federation | undefined>;
  /** Without those that are gone. */
  issuers(ids: readonly string[]): Promise<readonly Issuer[]>;
  /** Resolves when nothing is remembered that was changed by now. */
  catchUp(): Promise<void>;
  /** Lets go of what turned out to be otherwise by now. */
  forget(change: Change): void;
}

export interface LoginAsked {
  readonly name: RobotName;
  /** Of a robot token. */
  readonly jti?: string;
}

export interface RecallDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly changes: Changes;
  readonly gather?: Gather;
}

export function createRecall(
  { db, clock, changes, gather }: RecallDeps,
  memory: RecallMemory = createRecallMemory(),
): Recall {
  // Names are checked, and the rest was made here: no question can spoil the others that are asked with it.
  const readLogin = askTogether((questions: readonly LoginQuestion[]) => readLogins(db, questions), gather);

  return {
    async registry(service) {
      const known = memory.registries.get(service);
      if (known && (changes.areHeard() || isYoung(known.readAt))) return known.registry;
      const readAt = clock.now();
      const { generation } = memory;
      const registry = await (service === "" ? findDefaultRegistry(db) : findRegistry(db, service));
      if (registry && generation === memory.generation) memory.registries.set(service, { registry, readAt });
      return registry;
    },

    async login({ name, jti }) {
      const known = changes.areHeard() ? recallLogin(formatRobotName(name), jti) : undefined;
      if (known) return known;
      const { generation } = memory;
      const answer = await readLogin({ ...name, jti: jti ?? "" });
      if (!mayRemember(generation)) return answer;
      if (answer.robot) memory.logins.set(formatRobotName(name), answer.robot);
      if (jti !== undefined && !answer.revoked) memory.unrevoked.set(jti, true);
      return answer;
    },

    async open(registryId, repositories) {
      const known = changes.areHeard() ? recallOpen(registryId, repositories) : undefined;
      if (known) return known;
      const { generation } = memory;
      const patterns = new Set(repositories.flatMap(patternsAround));
      const open = new Set(await listAnonymousPulls(db, registryId, [...patterns]));
      if (mayRemember(generation)) {
        for (const repository of repositories) {
          const around = patternsAround(repository).filter((pattern) => open.has(pattern));
          memory.open.set(placeOf(registryId, repository), around.length > 0 ? around : CLOSED);
        }
      }
      return [...open];
    },

    async staticToken(hash) {
      return recallOr(memory.staticTokens, hash, async () => {
        const found = await findStaticToken(db, hash);
        if (!found) return undefined;
        const { token, robot, organization } = found;
        return {
          expiresAt: token.expiresAt,
          robot: { id: robot.id, name: robot.name, disabled: robot.disabled },
          organization: { id: organization.id, name: organization.name, robotTokens: organization.robotTokens },
        };
      });
    },

    async federation(name) {
      return recallOr(memory.federations, formatRobotName(name), async () => {
        const found = await findRobot(db, name);
        if (!found) return undefined;
        const { id, organizationId, disabled, tokenEpoch } = found.robot;
        const { audiences, clients } = found.organization;
        return {
          robot: { id, organizationId, disabled, tokenEpoch },
          organization: { id: organizationId, audiences, clients },
          bindings: await listBindings(db, id),
        };
      });
    },

    async issuers(ids) {
      const known = changes.areHeard() ? ids.flatMap((id) => memory.issuers.get(id) ?? []) : [];
      if (known.length === ids.length) return known;
      const { generation } = memory;
      const issuers = await listIssuersById(db, ids);
      if (mayRemember(generation)) for (const issuer of issuers) memory.issuers.set(issuer.id, issuer);
      return issuers;
    },

    async catchUp() {
      await changes.catchUp();
      if (!changes.areHeard()) memory.missed();
    },

    forget: memory.heard,
  };

  async function recallOr<V>(cache: Cache<V>, key: string, read: () => Promise<V | undefined>): Promise<V | undefined> {
    const known = changes.areHeard() ? cache.get(key) : undefined;
    if (known !== undefined) return known;
    const { generation } = memory;
    const value = await read();
    if (value !== undefined && mayRemember(generation)) cache.set(key, value);
    return value;
  }

  function recallLogin(name: string, jti: string | undefined): LoginAnswer | undefined {
    const robot = memory.logins.get(name);
    const isUnrevoked = jti === undefined || memory.unrevoked.get(jti);
    return robot && isUnrevoked ? { robot, revoked: false } : undefined;
  }

  function recallOpen(registryId: string, repositories: readonly string[]): readonly string[] | undefined {
    const open = new Set<string>();
    for (const repository of repositories) {
      const patterns = memory.open.get(placeOf(registryId, repository));
      if (!patterns) return undefined;
      for (const pattern of patterns) open.add(pattern);
    }
    return [...open];
  }

  /** What was read while a change came in may be of before it. */
  function mayRemember(generation: number): boolean {
    return generation === memory.generation && changes.areHeard();
  }

  function isYoung(readAt: number): boolean {
    const age = clock.now() - readAt;
    // A clock that was set back makes it look younger than it is.
    return age >= 0 && age < limits.keys.freshMilliseconds;
  }
}

const CLOSED: readonly string[] = [];

function placeOf(registryId: string, repository: string): string {
  return `${registryId} ${repository}`;
}
