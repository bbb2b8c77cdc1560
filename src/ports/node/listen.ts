import { createServer, type Server as HttpServer } from "node:http";
import { createServer as createSecureServer, Server as HttpsServer } from "node:https";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { createAdaptorServer, type Http2Bindings, type HttpBindings } from "@hono/node-server";
import { createApp } from "../../app.ts";
import type { Deps } from "../../deps.ts";
import { limits } from "../../limits.ts";
import { isClosing, lingerAfterUnread } from "./lingering-close.ts";
import { readTls, reloadTls } from "./tls.ts";
import { atEndOfTurn } from "./turns.ts";

/**
 * Serves the app at the configured address. What moves no byte is not waited for: neither a client that is slow to
 * say what it wants, nor one that does not read.
 *
 * @returns a function that stops it: it lets what is under way end, and takes what still comes for as long as a load
 *   balancer is given to look elsewhere
 */
export async function listen(deps: Deps): Promise<() => Promise<void>> {
  const { config, log, isStopping } = deps;
  const app = createApp(deps);
  const fetch = async (request: Request, environment: HttpBindings | Http2Bindings) => {
    if (isClosing(environment.incoming)) return new Response(null, { status: 400 });
    await new Promise<void>(atEndOfTurn);
    return app.fetch(request, environment);
  };
  const serverOptions = {
    maxHeaderSize: limits.http.headerBytes,
    headersTimeout: limits.http.headersMilliseconds,
    requestTimeout: limits.http.requestMilliseconds,
    connectionsCheckingInterval: limits.http.checkMilliseconds,
    // Of two hosts or credentials Node takes the first in silence, and whoever stands in front may take the other.
    joinDuplicateHeaders: true,
  };
  const server = createAdaptorServer(
    config.tls
      ? { fetch, createServer: createSecureServer, serverOptions: { ...serverOptions, ...readTls(config.tls) } }
      : { fetch, createServer, serverOptions },
  ) as HttpServer | HttpsServer;
  server.setTimeout(limits.http.silentMilliseconds);
  server.prependListener("request", (request, response) => {
    // Node keeps it from the first time on: at the turn's end whoever asked may be gone, and nobody's.
    void request.socket.remoteAddress;
    lingerAfterUnread(request, response);
    if (isStopping()) response.shouldKeepAlive = false;
  });
  const stopReloading = config.tls && server instanceof HttpsServer ? reloadTls(server, config.tls, log) : undefined;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(config.port, config.host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return async () => {
    stopReloading?.();
    await sleep(config.drainDelay * 1000);
    await drain(server);
  };
}

/** Takes no new connections, and ends the open ones as they fall idle; those still busy at last are cut. */
async function drain(server: HttpServer | HttpsServer): Promise<void> {
  // Connections that nobody has accepted yet are reset: right after a turn that accepted, there are the fewest.
  await setImmediate();
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const sweeping = setInterval(() => server.closeIdleConnections(), 50);
  const cutting = setTimeout(() => server.closeAllConnections(), limits.http.drainMilliseconds);
  await closed;
  clearInterval(sweeping);
  clearTimeout(cutting);
}
