import { readFileSync, unwatchFile, watchFile } from "node:fs";
import { readSecretKeys } from "../../config.ts";
import type { Log } from "../../platform.ts";
import { createSealer, type Sealer } from "../../tokens/sealing.ts";

const POLL_MILLISECONDS = 2000;

/** A sealer whose keys can be changed while the service runs. */
export interface ReplaceableSealer extends Sealer {
  /** @returns the one before */
  replace(by: Sealer): Sealer;
}

export function createReplaceableSealer(first: Sealer): ReplaceableSealer {
  let current = first;
  return {
    seal: (plaintext, context) => current.seal(plaintext, context),
    open: (sealed, context) => current.open(sealed, context),
    isCurrent: (sealed) => current.isCurrent(sealed),
    replace(by) {
      const before = current;
      current = by;
      return before;
    },
  };
}

/**
 * Takes up the sealing keys whenever their file changes, and seals anew what is stored. Keys that do not open
 * what is stored are passed over, and those in use stay.
 *
 * @param sealAnew rejects when something stored cannot be opened
 * @returns a function that ends it
 */
export function reloadSecretKeys(
  path: string,
  sealer: ReplaceableSealer,
  sealAnew: () => Promise<void>,
  log: Log,
): () => void {
  let last = Promise.resolve();
  /** One after the other, since a change that fails puts back what was there before it. */
  const reload = () => {
    last = last.then(reloadOnce);
  };
  const reloadOnce = async () => {
    let before: Sealer | undefined;
    try {
      const keys = readSecretKeys(readFileSync(path, "utf8").trim());
      if (!keys) throw new Error("it does not hold 32 bytes in base64, or several separated by commas");
      before = sealer.replace(await createSealer(keys));
      await sealAnew();
      log.info("secret keys reloaded", { file: path, keys: keys.length });
    } catch (error) {
      if (before) sealer.replace(before);
      log.error("the changed secret keys cannot be used; those before stay", { file: path, error });
    }
  };
  watchFile(path, { interval: POLL_MILLISECONDS, persistent: false }, reload);
  return () => unwatchFile(path, reload);
}
