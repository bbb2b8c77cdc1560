import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** What stands for the token server that a registry had before: it keeps what it is asked, and answers as a test likes. */
export interface OtherServer {
  readonly realm: string;
  readonly asked: {
    readonly method: string;
    readonly url: URL;
    readonly headers: IncomingMessage["headers"];
    readonly form: URLSearchParams;
  }[];
  /** Requests whose client went before it was answered. */
  readonly abandoned: number;
  /** Answers every request from now on; 200 with `{}` to begin with. */
  answer: (response: ServerResponse) => void;
  close(): Promise<void>;
}

export async function startOtherServer(): Promise<OtherServer> {
  let abandoned = 0;
  const server = createServer(async (request, response) => {
    const { method = "", headers } = request;
    response.on("close", () => {
      if (!response.writableFinished) abandoned += 1;
    });
    const form = new URLSearchParams(await text(request));
    other.asked.push({ method, url: new URL(request.url ?? "", other.realm), headers, form });
    other.answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const other: OtherServer = {
    realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    asked: [],
    get abandoned() {
      return abandoned;
    },
    answer: (response) => response.end("{}"),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return other;
}
