import { readFileSync, unwatchFile, watchFile } from "node:fs";
import type { Server } from "node:https";
import { createSecureContext } from "node:tls";
import type { Config } from "../../config.ts";
import type { Log } from "../../platform.ts";

export type TlsFiles = NonNullable<Config["tls"]>;

const POLL_MILLISECONDS = 2000;

export function readTls({ certFile, keyFile }: TlsFiles): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(certFile), key: readFileSync(keyFile) };
}

/**
 * Takes up certificate and key whenever either file changes. A pair that does not fit (one of the two is
 * not written yet) is passed over, and the one in use stays.
 *
 * @returns a function that ends it
 */
export function reloadTls(server: Server, files: TlsFiles, log: Log): () => void {
  const reload = () => {
    try {
      const pair = readTls(files);
      createSecureContext(pair);
      server.setSecureContext(pair);
      log.info("certificate reloaded", { file: files.certFile });
    } catch (error) {
      log.warn("the changed certificate cannot be used; the one before stays", { file: files.certFile, error });
    }
  };
  const paths = [files.certFile, files.keyFile];
  for (const path of paths) watchFile(path, { interval: POLL_MILLISECONDS, persistent: false }, reload);
  return () => {
    for (const path of paths) unwatchFile(path, reload);
  };
}
