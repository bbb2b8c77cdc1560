import { type IncomingMessage, request as requestPlainly } from "node:http";
import { request as requestSecurely } from "node:https";
import type { Socket } from "node:net";
import { addAbortSignal } from "node:stream";
import type { Secret } from "../../domain/secret.ts";
import { IssuerFetchError } from "../../oidc/safe-fetch.ts";

/** A name may have any number of addresses, and each one costs the proxy an attempt. */
const MAX_ATTEMPTS = 4;

/**
 * Opens a connection through a forward proxy (RFC 9110 §9.3.6). Where the proxy has no way to an address,
 * as one without IPv6 has not, the next is tried.
 *
 * @param authorities `host:port`, each as good as the others
 * @param signal ends the attempt, and the connection too
 * @throws {IssuerFetchError}
 */
export async function openTunnel(proxy: Secret, authorities: readonly string[], signal: AbortSignal): Promise<Socket> {
  let failure = "the forward proxy was given no address";
  for (const authority of authorities.slice(0, MAX_ATTEMPTS)) {
    const { status, socket } = await askToConnect(new URL(proxy.reveal()), authority, signal);
    if (status >= 200 && status < 300) return addAbortSignal(signal, socket);
    socket.destroy();
    const reason = status === 407 ? ": it wants other credentials than those in HTTPS_PROXY" : "";
    failure = `the forward proxy answers CONNECT ${authority} with status ${status}${reason}`;
    if (status < 500) break;
  }
  throw new IssuerFetchError(failure);
}

interface ProxyAnswer {
  readonly status: number;
  readonly socket: Socket;
}

function askToConnect(proxy: URL, authority: string, signal: AbortSignal): Promise<ProxyAnswer> {
  const { protocol, hostname, port } = proxy;
  const request = protocol === "https:" ? requestSecurely : requestPlainly;
  return new Promise((resolve, reject) => {
    const asking = request({
      method: "CONNECT",
      host: hostname.replace(/^\[|\]$/g, ""),
      ...(port && { port }),
      path: authority,
      headers: { host: authority, ...authorization(proxy) },
      agent: false,
      signal,
    });
    asking.once("connect", ({ statusCode = 0 }: IncomingMessage, socket: Socket) => {
      // Whoever uses the connection hears of its end by its own ears.
      socket.on("error", () => {});
      resolve({ status: statusCode, socket });
    });
    asking.once("error", (error: NodeJS.ErrnoException) => {
      const reason = signal.aborted ? "does not answer in time" : `cannot be used (${error.code ?? "no connection"})`;
      reject(new IssuerFetchError(`the forward proxy ${reason}`, { cause: error }));
    });
    asking.end();
  });
}

function authorization({ username, password }: URL): { "proxy-authorization"?: string } {
  if (!username && !password) return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(credentials).toString("base64")}` };
}
