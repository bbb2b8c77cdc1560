import type { Output } from "../run.ts";
import type { Seat } from "./seat.ts";

export interface Account {
  readonly username: string;
  readonly password: string;
}

/** A user with a password, or an identity token, which says itself whose it is. */
export type Credential = Account | { readonly identityToken: string };

/** By registry, or by `registry/namespace`; nothing at all is how nobody comes. */
export type Credentials = Readonly<Record<string, Credential>>;

/**
 * What a client can be made to do with no daemon but the test's own; the rest it has no command for. Each
 * rejects where its program fails, with what the program said.
 */
export interface Operations {
  /** Logs in, and keeps the credential where the others find it. */
  readonly login?: (seat: Seat, host: string, account: Account) => Promise<Output>;
  /** Pushes the image that every seat has. */
  readonly push?: (seat: Seat, image: string) => Promise<unknown>;
  /** @returns the image's id, the digest of its configuration */
  readonly pull?: (seat: Seat, image: string) => Promise<string>;
  /** Reads the manifest alone. @returns the image's id */
  readonly inspect?: (seat: Seat, image: string) => Promise<string>;
  readonly listTags?: (seat: Seat, repository: string) => Promise<readonly string[]>;
  /** Within one registry. */
  readonly copy?: (seat: Seat, from: string, to: string) => Promise<unknown>;
  readonly delete?: (seat: Seat, image: string) => Promise<unknown>;
  /** @returns the names of repositories, with no registry before them */
  readonly catalog?: (seat: Seat, host: string) => Promise<readonly string[]>;
}

export function configDigest(manifest: string): string {
  return JSON.parse(manifest).config.digest;
}
