/** The channel that the database's own triggers tell of changes by (`drizzle/0006_changes.sql`). */
export const changesChannel = "berth_changes";
/** What is told where nobody could list what was changed. */
export const everything = "everything";

/** What was changed, or what belongs to it, in a transaction that is committed. */
export type Change =
  | { readonly of: "organization" | "robot" | "issuer"; readonly id: string }
  | { readonly of: "revoked_token"; readonly jti: string }
  | { readonly of: "registries" | "anonymous_pulls" | "keys" | "everything" };

/** @returns `undefined` for what a later version tells */
export function readChange(payload: string): Change | undefined {
  const [of, id = ""] = payload.split(" ");
  switch (of) {
    case "organization":
    case "robot":
    case "issuer":
      return { of, id };
    case "revoked_token":
      return { of, jti: id };
    case "registries":
    case "anonymous_pulls":
    case "keys":
    case "everything":
      return { of };
    default:
      return undefined;
  }
}

/** Tells of each change, and of when some may have been missed. */
export interface ChangeListener {
  heard(change: Change): void;
  missed(): void;
}

/** How far this process hears what is changed in the database, by whomever. */
export interface Changes {
  /** Whether all that was committed until `BERTH_MAX_STALENESS` ago was heard of. */
  areHeard(): boolean;
  /** Resolves once all that is committed by now was heard of, or is not taken for heard any more. */
  catchUp(): Promise<void>;
  /** Milliseconds since the moment until which everything was heard of. */
  age(): number;
}

/** For a platform that hears of nothing. */
export const unheard: Changes = { areHeard: () => false, catchUp: async () => {}, age: () => Number.POSITIVE_INFINITY };
