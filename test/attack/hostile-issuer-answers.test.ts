import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { brotliCompressSync, constants, deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pour } from "../support/pour.ts";
import {
  type Arrange,
  DOCUMENT,
  type HostileIssuer,
  type HostileIssuers,
  KEYS,
  openHostileIssuers,
} from "./hostile-issuers.ts";

let hostile: HostileIssuers;
/** Where redirects lead: whoever comes here was led astray. */
let trap: Server;
let trapUrl = "";
let trapped = 0;

beforeAll(async () => {
  hostile = await openHostileIssuers();
  trap = createServer((_, response) => response.end("{}")).on("connection", () => {
    trapped += 1;
  });
  await new Promise<void>((resolve) => trap.listen(0, "127.0.0.1", resolve));
  trapUrl = `http://127.0.0.1:${(trap.address() as AddressInfo).port}/`;
});

afterAll(async () => {
  await hostile.close();
  trap.close();
});

const json = "content-type: application/json\r\n";
const unreachable = "issuer_unreachable";
const either = /^issuer_(unreachable|keys_invalid)$/;

function pourAfter(path: string, head: string, piece: string | Uint8Array): Arrange {
  return (issuer) =>
    issuer.answer(path, (_, { socket }) => {
      socket.write(head);
      pour(socket, piece);
    });
}

describe("an issuer that redirects", () => {
  it.each([301, 302, 303, 307, 308])("by %d is not followed", async (status) => {
    for (const path of [DOCUMENT, KEYS]) {
      for (const location of [trapUrl, "/other", "https://169.254.169.254/latest/meta-data/", "javascript:0", ""]) {
        const bound = await hostile.start((issuer) =>
          issuer.answer(path, (response) => response.writeHead(status, { location }).end()),
        );
        expect(await bound.expectRefused(unreachable)).toContain("a redirect, which is not followed");
        expect(bound.issuer.requests).not.toContain("/other");
      }
    }
    expect(trapped).toBe(0);
  });

  it.each([
    ["refresh", "0; url="],
    ["location", ""],
    ["content-location", ""],
    ["link", "rel=canonical; "],
  ])("by the header %s of a good answer is not followed", async (name, prefix) => {
    const { exchange } = await hostile.start((issuer) => {
      const document = { issuer: issuer.url, jwks_uri: `${issuer.url}${KEYS}` };
      issuer.answerJson(DOCUMENT, document, { [name]: `${prefix}${trapUrl}` });
    });
    expect((await exchange()).status).toBe(200);
    expect(trapped).toBe(0);
  });
});

describe("an issuer that says more than anybody needs", () => {
  const chunk = `10000\r\n${" ".repeat(65536)}\r\n`;
  const gzipped = gzipSync(Buffer.alloc(1024 * 1024, 0x20), { level: 9 });
  const endless: [string, Arrange][] = [
    ["a body with no end", pourAfter(KEYS, `HTTP/1.1 200 OK\r\n${json}\r\n`, " ".repeat(65536))],
    ["a discovery document with no end", pourAfter(DOCUMENT, `HTTP/1.1 200 OK\r\n${json}\r\n`, " ".repeat(65536))],
    ["chunks with no end", pourAfter(KEYS, `HTTP/1.1 200 OK\r\n${json}transfer-encoding: chunked\r\n\r\n`, chunk)],
    ["a body by HTTP/1.0", pourAfter(KEYS, `HTTP/1.0 200 OK\r\n${json}\r\n`, " ".repeat(65536))],
    ["a body of an error", pourAfter(KEYS, "HTTP/1.1 500 Sorry\r\n\r\n", " ".repeat(65536))],
    ["headers with no end", pourAfter(KEYS, "HTTP/1.1 200 OK\r\n", `x-padding: ${"x".repeat(1000)}\r\n`)],
    ["one header with no end", pourAfter(KEYS, "HTTP/1.1 200 OK\r\nx-padding: ", "x".repeat(65536))],
    ["interim answers with no end", pourAfter(KEYS, "", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(500))],
    [
      "a chunk's extension with no end",
      pourAfter(KEYS, `HTTP/1.1 200 OK\r\n${json}transfer-encoding: chunked\r\n\r\n1;`, "x".repeat(65536)),
    ],
    ["a status with no end", pourAfter(KEYS, "HTTP/1.1 200 ", "OK".repeat(32768))],
    [
      "gzip that grows a thousandfold, with no end",
      pourAfter(KEYS, `HTTP/1.1 200 OK\r\n${json}content-encoding: gzip\r\n\r\n`, gzipped),
    ],
    ["a body of a redirect", pourAfter(KEYS, "HTTP/1.1 302 Found\r\nlocation: /other\r\n\r\n", " ".repeat(65536))],
    [
      "trailers with no end",
      pourAfter(
        KEYS,
        `HTTP/1.1 200 OK\r\n${json}transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n`,
        `x-padding: ${"x".repeat(1000)}\r\n`,
      ),
    ],
  ];

  it.each(endless)("%s is cut off, with little of it taken", async (_, arrange) => {
    let sent = () => 0;
    const bound = await hostile.start((issuer) => {
      arrange({
        ...issuer,
        answer: (path, handler) =>
          issuer.answer(path, (response, request) => {
            sent = () => request.socket.bytesWritten;
            handler(response, request);
          }),
      } as HostileIssuer);
    });
    await bound.expectRefused(either);
    // What the kernels of both sides hold comes on top of the 100 KiB.
    expect(sent()).toBeLessThan(32 * 1024 * 1024);
  });

  const huge = Buffer.alloc(64 * 1024 * 1024, 0x20);
  const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
  it.each<[string, string, () => Uint8Array]>([
    ["gzip", "gzip", () => gzipSync(huge)],
    ["gzip twice", "gzip, gzip", () => gzipSync(gzipSync(huge))],
    ["deflate", "deflate", () => deflateSync(huge)],
    ["brotli", "br", () => brotliCompressSync(huge, brotli)],
  ])("64 MiB in little %s are refused, and their memory is never taken", async (_, encoding, compress) => {
    const bomb = compress();
    const bound = await hostile.start((issuer) =>
      issuer.answer(KEYS, (response) =>
        response.writeHead(200, { "content-type": "application/json", "content-encoding": encoding }).end(bomb),
      ),
    );
    const before = process.memoryUsage().rss;
    expect(await bound.expectRefused(unreachable)).toContain("more than 102400 bytes");
    expect(process.memoryUsage().rss - before).toBeLessThan(huge.length / 2);
  });

  it("in more layers than anybody needs is refused", async () => {
    const layers = Array.from({ length: 100 }, () => "gzip").join(", ");
    const bound = await hostile.start((issuer) => issuer.answerJson(KEYS, {}, { "content-encoding": layers }));
    await bound.expectRefused(either);
  });
});

describe("an issuer that speaks HTTP badly", () => {
  const good = (issuer: HostileIssuer) => JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}${KEYS}` });
  const document = (head: string, change: (body: string) => string = (body) => body): Arrange => {
    return (issuer) => issuer.answerRaw(DOCUMENT, `${head}\r\n\r\n${change(good(issuer))}`);
  };
  const ok = `HTTP/1.1 200 OK\r\n${json}`;

  it.each<[string, Arrange]>([
    ["nothing but an end", (issuer) => issuer.answerRaw(DOCUMENT, "")],
    ["no HTTP", (issuer) => issuer.answerRaw(DOCUMENT, "SSH-2.0-OpenSSH_9.2\r\n")],
    ["HTTP/0.9", (issuer) => issuer.answerRaw(DOCUMENT, good(issuer))],
    ["HTTP/2 unasked", (issuer) => issuer.answerRaw(DOCUMENT, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")],
    ["TLS", (issuer) => issuer.answerRaw(DOCUMENT, Uint8Array.of(0x15, 3, 3, 0, 2, 2, 40))],
    ["a status that is no number", document(`HTTP/1.1 OK\r\n${json}`)],
    ["another protocol", document(`HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade`)],
    ["no answer but a continuation", document("HTTP/1.1 100 Continue")],
    ["more bytes promised than sent", document(`${ok}content-length: 5000`)],
    ["fewer bytes promised than sent", document(`${ok}content-length: 5`)],
    ["two lengths", document(`${ok}content-length: 50\r\ncontent-length: 60`)],
    ["a negative length", document(`${ok}content-length: -1`)],
    ["a length and chunks", document(`${ok}content-length: 50\r\ntransfer-encoding: chunked`)],
    ["chunks that are none", document(`${ok}transfer-encoding: chunked`)],
    ["a chunk of 2^64 bytes", document(`${ok}transfer-encoding: chunked`, (body) => `10000000000000000\r\n${body}`)],
    ["gzip that is none", document(`${ok}content-encoding: gzip`)],
    ["a header with a NUL", document(`${ok}x: a\0b`)],
    ["no content", document("HTTP/1.1 204 No Content")],
    ["nothing new", document("HTTP/1.1 304 Not Modified")],
    ["a part", document(`HTTP/1.1 206 Partial Content\r\n${json}`)],
    ["an error with a good body", document(`HTTP/1.1 500 Sorry\r\n${json}`)],
    ["a demand for credentials", document(`HTTP/1.1 401 No\r\n${json}www-authenticate: Basic realm="x"\r\n`)],
  ])("(%s) is refused", async (_, arrange) => {
    const bound = await hostile.start(arrange);
    await bound.expectRefused(either);
    expect(JSON.stringify(bound.issuer.requests)).not.toContain(KEYS);
  });

  it.each<[string, Arrange]>([
    ["by HTTP/1.0 to the end of the connection", document(`HTTP/1.0 200 OK\r\n${json}`)],
    ["after Early Hints", document(`HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${ok}`)],
    [
      "deflated unasked, but small",
      (issuer) => {
        const body = deflateSync(good(issuer));
        issuer.answer(DOCUMENT, (response) =>
          response.writeHead(200, { "content-type": "application/json", "content-encoding": "deflate" }).end(body),
        );
      },
    ],
    [
      "in chunks of one byte",
      (issuer) =>
        issuer.answer(DOCUMENT, (response) => {
          response.writeHead(200, { "content-type": "application/json" });
          for (const character of good(issuer)) response.write(character);
          response.end();
        }),
    ],
  ])("is taken %s", async (_, arrange) => {
    expect((await (await hostile.start(arrange)).exchange()).status).toBe(200);
  });
});
