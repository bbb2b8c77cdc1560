import { createServer, type IncomingMessage, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./free-port.ts";

/** Stands before a registry, at the address that clients know: sees what they ask, and can hold an upload up. */
export interface RegistryFront {
  readonly host: string;
  /** What was asked and answered, such as `PUT /v2/acme/app/manifests/1 201`. */
  readonly requests: readonly string[];
  /** Withholds the answer to the next upload of a blob for so many seconds, and then calls `then`. */
  holdNextUpload(seconds: number, then: () => void): void;
  close(): Promise<void>;
}

export async function startRegistryFront(registryPort: number): Promise<RegistryFront> {
  const port = await freePort();
  const requests: string[] = [];
  let hold: (() => Promise<void>) | undefined;

  const server = createServer((asked, answer) => {
    const forwarded = request(
      { host: "127.0.0.1", port: registryPort, method: asked.method, path: asked.url, headers: asked.headers },
      async (answered) => {
        requests.push(`${asked.method} ${asked.url} ${answered.statusCode}`);
        if (hold && isUpload(asked)) {
          const held = hold;
          hold = undefined;
          await held();
        }
        answer.writeHead(answered.statusCode ?? 502, answered.headers);
        answered.pipe(answer);
      },
    );
    forwarded.on("error", () => answer.destroy());
    asked.pipe(forwarded);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));

  return {
    host: `127.0.0.1:${port}`,
    requests,
    holdNextUpload(seconds, then) {
      hold = async () => {
        await sleep(seconds * 1000);
        then();
      };
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function isUpload({ method, url }: IncomingMessage): boolean {
  return (method === "PATCH" || method === "PUT") && (url ?? "").includes("/blobs/uploads/");
}
