import { randomUUID } from "node:crypto";
import type { Refusal } from "../../src/domain/refusal.ts";
import { base64url } from "../support/compact.ts";
import type { KeySet } from "./key-set.ts";
import { type RobotName, robots } from "./robots.ts";

/** What is done to a good token before or after it is signed. All else about it stays good. */
export interface Change {
  /** The robot that the token is shown for; `acme+ci` where none is named. */
  readonly robot?: RobotName;
  /** Replaces parameters or, with undefined, removes them. */
  readonly header?: Members;
  readonly claims?: Members | ((world: World) => Members);
  /** Rewrites the JSON text of a part. */
  readonly headerText?: Rewrite<string | Uint8Array>;
  readonly payloadText?: Rewrite<string | Uint8Array>;
  /** Rewrites `header.payload`, which is then signed as it is. */
  readonly signingInput?: Rewrite<string>;
  /** Rewrites what was signed. */
  readonly compact?: Rewrite<string>;
  /** The key that signs; that of the header's `kid` where none is named. */
  readonly signedBy?: string;
}

type Members = Readonly<Record<string, unknown>>;
type Rewrite<T> = (text: string) => T;

export interface World {
  readonly issuer: string;
  readonly berth: string;
  /** Epoch seconds. */
  readonly now: number;
}

/** A title, what is done to a good token, and the refusal that must come of it: its code and facts. */
export type Case = readonly [title: string, change: Change, code: Refusal["code"], facts?: Members];

export function makeToken(change: Change, keys: KeySet, world: World): string {
  const { robot = "acme+ci", header, claims } = change;
  const goodHeader = { alg: "RS256", typ: "JWT", kid: "good" };
  const changedHeader: Members = { ...goodHeader, ...header };
  const changedClaims = typeof claims === "function" ? claims(world) : claims;
  const payload = { ...goodClaims(world), ...robots[robot].claims, ...changedClaims };

  const part = (content: Members, rewrite?: Rewrite<string | Uint8Array>) => {
    const json = JSON.stringify(content);
    return base64url(rewrite?.(json) ?? json);
  };
  const input = `${part(changedHeader, change.headerText)}.${part(payload, change.payloadText)}`;
  const signingInput = change.signingInput?.(input) ?? input;
  const signature = keys.sign(change.signedBy ?? changedHeader.kid, changedHeader.alg, signingInput);
  const compact = `${signingInput}.${signature}`;
  return change.compact?.(compact) ?? compact;
}

function goodClaims({ issuer, berth, now }: World): Members {
  return {
    iss: issuer,
    sub: "repo:acme/app:ref:refs/heads/main",
    aud: berth,
    iat: now,
    nbf: now,
    exp: now + 300,
    jti: randomUUID(),
    azp: "runner",
    ref: "refs/heads/main",
    repository_owner_id: "1001",
    event_name: "push",
    run: 7,
    protected: true,
    environment: "production",
    path: "acme/app",
    groups: ["developers", "deployers"],
    project: "app",
  };
}
