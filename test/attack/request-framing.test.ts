import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { basic } from "../support/berth.ts";
import { type BerthProcess, spawnBerth } from "../support/berth-process.ts";
import { makeDataDir } from "../support/embedded-database.ts";
import { freePort } from "../support/free-port.ts";
import { LONGEST_MILLISECONDS, type RawAnswers, sendRaw } from "../support/raw-http.ts";

/** What is no request, or is another one to whoever stands in front, over bare sockets. */

const ADMIN_TOKEN = "an-admin-token-for-the-sockets";
let dataDir: string;
let port: number;
let berth: BerthProcess;

beforeAll(async () => {
  [dataDir, port] = await Promise.all([makeDataDir(), freePort()]);
  berth = await spawnBerth({ PORT: String(port), DATA_DIR: dataDir, BERTH_ADMIN_TOKEN: ADMIN_TOKEN });
});

afterAll(async () => {
  await berth.end("SIGTERM");
  await rm(dataDir, { recursive: true, force: true });
});

const host = "Host: berth\r\n";
const get = (lines = "", target = "/healthz") => `GET ${target} HTTP/1.1\r\n${host}${lines}\r\n`;
const smuggled = get("", "/smuggled");
const post = (lines: string, body: string) =>
  `POST /oauth2/token HTTP/1.1\r\n${host}Content-Type: application/x-www-form-urlencoded\r\n${lines}\r\n${body}`;
const chunked = (body: string, coding = "chunked") => post(`Transfer-Encoding: ${coding}\r\n`, body);
const sized = (length: string) => post(`Content-Length: ${length}\r\n`, `x${smuggled}`);
const send = (bytes: string) => sendRaw(port, bytes);
const sendUntilClosed = (bytes: string) => sendRaw(port, bytes, LONGEST_MILLISECONDS);

/** One refusal and the end of the connection: nothing behind it was taken for a request. */
function expectRefused({ statuses, closed, text }: RawAnswers, status = 400): void {
  expect({ statuses, closed }, text).toEqual({ statuses: [status], closed: true });
}

describe.concurrent("a body whose end can be read in two ways is refused, and the connection ended", () => {
  it.each([
    [
      "Content-Length before Transfer-Encoding",
      post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${smuggled}`),
    ],
    [
      "Transfer-Encoding before Content-Length",
      post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", `5c\r\n${smuggled}0\r\n\r\n`),
    ],
    ["two lengths", post(`Content-Length: 0\r\nContent-Length: ${smuggled.length}\r\n`, smuggled)],
    ["one length twice", post("Content-Length: 1\r\nContent-Length: 1\r\n", "x")],
    ...["1, 1", "+1", "-1", "0x1", "1 1", "1e1", "", "99999999999999999999"].map((length) => [
      `a length of ${JSON.stringify(length)}`,
      sized(length),
    ]),
    ...[
      "chunked, identity",
      "identity",
      "xchunked",
      "chunked, chunked",
      "\x0bchunked",
      "",
      "chunked\r\nTransfer-Encoding: chunked",
    ].map((coding) => [`a coding of ${JSON.stringify(coding)}`, chunked(`0\r\n\r\n${smuggled}`, coding)]),
    ["a space before the colon", post("Transfer-Encoding : chunked\r\n", `0\r\n\r\n${smuggled}`)],
    ["chunks by HTTP/1.0", chunked(`0\r\n\r\n${smuggled}`).replace("HTTP/1.1", "HTTP/1.0")],
    ["a chunk of no number", chunked("zz\r\nx")],
    ["a chunk of less than none", chunked("-1\r\nx")],
    ["a chunk in another notation", chunked("0x1\r\nx\r\n0\r\n\r\n")],
    ["a chunk beyond all numbers", chunked("fffffffffffffffff\r\nx")],
    ["a chunk longer than it says", chunked("1\r\nxx\r\n0\r\n\r\n")],
    ["chunks ended by a bare LF", chunked(`1\nx\n0\n\n${smuggled}`)],
    ["a length in the trailers", chunked(`0\r\nContent-Length: 5\r\n\r\n${smuggled}`)],
  ])("%s", async (_, bytes = "") => {
    expectRefused(await sendUntilClosed(bytes));
  });
});

describe.concurrent("what is no HTTP/1.1 is refused, and the connection ended", () => {
  it.each([
    ["lines ended by a bare LF", "GET /healthz HTTP/1.1\nHost: berth\n\n"],
    ["a header ended by a bare LF", get("X: y\n")],
    ["a bare CR in a value", get("X: a\rb\r\n")],
    ["a folded line", get("X: a\r\n b\r\n")],
    ["a folded first line", `GET /healthz HTTP/1.1\r\n X: a\r\n${host}\r\n`],
    ["a space in a name", get("Authorization : x\r\n")],
    ["no name", get(": x\r\n")],
    ["no colon", get("abc\r\n")],
    ["NUL in a value", get("X: a\0b\r\n")],
    ["NUL in a name", get("X\0: b\r\n")],
    ["NUL in the target", get("", "/heal\0thz")],
    ["NUL in the host", "GET /healthz HTTP/1.1\r\nHost: a\0b\r\n\r\n"],
    ["a control character in a value", get("X: a\x01b\r\n")],
    ["a space in the target", get("", "/heal thz")],
    ["a byte beyond ASCII in the target", get("", "/heal\xffthz")],
    ["a target that is none", get("", "\\healthz")],
    ["a tab for a space", get().replace("GET ", "GET\t")],
    ["no host", "GET /healthz HTTP/1.1\r\n\r\n"],
    ["a method in small letters", get().replace("GET", "get")],
    ["an unknown method", get().replace("GET", "SMUGGLE")],
    ["another version", get().replace("HTTP/1.1", "HTTP/1.2")],
    ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["the beginning of TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ])("%s", async (_, bytes = "") => {
    expectRefused(await sendUntilClosed(bytes + smuggled));
  });
});

describe.concurrent("more than a header may have is 431, and the connection ended", () => {
  it.each([
    ["one value", get(`X: ${"a".repeat(limits.http.headerBytes)}\r\n`)],
    ["many lines", get(Array.from({ length: 3000 }, (_, index) => `name-${index}: x\r\n`).join(""))],
    ["the target", get("", `/${"a".repeat(limits.http.headerBytes)}`)],
    ["the trailers", chunked(`0\r\nX: ${"a".repeat(limits.http.headerBytes)}\r\n\r\n`)],
  ])("%s", async (_, bytes = "") => {
    expectRefused(await sendUntilClosed(bytes), 431);
  });

  it("and the longest token that may be is let through", async () => {
    const authorization = basic("acme+ci", "x".repeat(limits.token.bytes));
    const { statuses } = await send(get(`Authorization: ${authorization}\r\n`, "/oauth2/federation/robot/token"));
    expect(statuses).toEqual([400]);
  });
});

describe.concurrent("a header that is there twice", () => {
  it("is refused where it is the host", async () => {
    expect((await send(get("Host: evil.example\r\n"))).statuses).toEqual([400]);
  });

  it("opens nothing where it is the credential, whichever is good", async () => {
    const lines = [`Authorization: Bearer ${ADMIN_TOKEN}\r\n`, "Authorization: Bearer x\r\n"];
    expect((await send(get(lines[0], "/api/v1/user"))).statuses).toEqual([200]);
    for (const both of [lines.join(""), lines.toReversed().join(""), `${lines[0]}${lines[0]}`]) {
      expect((await send(get(both, "/api/v1/user"))).statuses).toEqual([401]);
    }
  });
});

describe.concurrent("the host", () => {
  it.each(["a b", "evil/path", "[", "user@berth", "berth:99999999", "ber\tth", "", "berth#x", "berth?x", "ber\\th"])(
    "is refused where it is none: %j",
    async (name) => {
      expect((await send(`GET /healthz HTTP/1.1\r\nHost: ${name}\r\n\r\n`)).statuses).toEqual([400]);
    },
  );

  it("is in no answer, whoever is asked for", async () => {
    for (const target of ["/v2/", "http://evil.example/v2/", "http://user:word@evil.example/v2/"]) {
      const { statuses, text } = await send(`GET ${target} HTTP/1.1\r\nHost: evil.example\r\n\r\n`);
      expect(statuses).toEqual([401]);
      expect(text).toContain(`realm="http://127.0.0.1:${port}/v2/auth"`);
      expect(text).not.toContain("evil.example");
    }
  });
});

describe.concurrent("a target that is no path", () => {
  it.each(["*", "ftp://evil.example/healthz", "http://[/healthz"])("is refused: %s", async (target) => {
    for (const method of ["GET", "OPTIONS"]) {
      expect((await send(get("", target).replace("GET", method))).statuses).toEqual([400]);
    }
  });

  it("by CONNECT ends the connection, and leads nowhere", async () => {
    const { text, closed } = await sendUntilClosed(`CONNECT evil.example:443 HTTP/1.1\r\n${host}\r\n${smuggled}`);
    expect({ text, closed }).toEqual({ text: "", closed: true });
  });
});

describe.concurrent("an offer", () => {
  it.each([
    [
      "of HTTP/2",
      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
    ],
    [
      "of WebSocket",
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n",
    ],
  ])("%s is answered by HTTP/1.1", async (_, lines) => {
    const { statuses, text } = await send(get(lines));
    expect(statuses).toEqual([200]);
    expect(text).not.toMatch(/^upgrade:/im);
  });

  it("to be told one's own request again is declined", async () => {
    for (const method of ["TRACE", "TRACK"]) {
      const { statuses, text } = await send(get("X-Secret: told\r\n").replace("GET", method));
      expect([400, 404, 405]).toContain(statuses[0]);
      expect(text).not.toContain("told");
    }
  });

  it("that nobody can keep is 417", async () => {
    expect((await send(post("Content-Length: 1\r\nExpect: nonsense\r\n", "x"))).statuses[0]).toBe(417);
  });
});

describe.concurrent("what stands behind a request", () => {
  it("is the next one, answered in its turn", async () => {
    const { statuses } = await send(`${get()}${smuggled}${get()}`);
    expect(statuses).toEqual([200, 404, 200]);
  });

  it.each([
    [
      "a path that there is not",
      `POST /nothing HTTP/1.1\r\n${host}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    ],
    ["GET", get(`Content-Length: ${smuggled.length}\r\n`) + smuggled],
  ])("is no request where it was sent as the body of %s", async (_, bytes) => {
    const { statuses, closed } = await sendUntilClosed(bytes);
    expect([statuses.length, closed]).toEqual([1, true]);
  });

  it("is no credential where it comes as a trailer", async () => {
    const trailers = `Trailer: Authorization\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\n\r\n`;
    const { statuses } = await send(`POST /api/v1/keys/rotate HTTP/1.1\r\n${host}${trailers}`);
    expect(statuses).toEqual([401]);
  });
});

it("nothing of it was an error of the service's", async () => {
  expect((await send(get())).statuses).toEqual([200]);
  expect(berth.stdout()).not.toContain('"level":"error"');
  expect(berth.stdout()).not.toMatch(/"status":5\d\d/);
  expect(berth.stderr()).toBe("");
});
