import type { IncomingMessage, ServerResponse } from "node:http";
import { limits } from "../../limits.ts";

/**
 * Ends the connection of a request that is answered before it came to its end in stages (RFC 9112 §9.6): one that is
 * closed while its client still sends is reset, and the answer may go with it unread.
 */
export function lingerAfterUnread(request: IncomingMessage, response: ServerResponse): void {
  if (request.method === "GET" || request.method === "HEAD") return;
  // Node closes the connection as it is told that the answer is out.
  response.prependOnceListener("finish", () => {
    if (!request.complete) linger(request);
  });
}

function linger(request: IncomingMessage): void {
  const { socket } = request;
  socket.destroySoon = () => {
    socket.destroySoon = () => {};
    socket.end();
    let bytes = 0;
    request.removeAllListeners("data").on("data", (chunk) => {
      bytes += chunk.length;
      if (bytes > limits.http.lingerBytes) socket.destroy();
    });
    request.once("end", () => socket.destroy());
    const cutting = setTimeout(() => socket.destroy(), limits.http.lingerMilliseconds);
    socket.once("close", () => clearTimeout(cutting));
    request.resume();
  };
}

/** Whether nobody is to be answered on its connection any more. */
export function isClosing({ socket }: Pick<IncomingMessage, "socket">): boolean {
  return socket.writableEnded;
}
