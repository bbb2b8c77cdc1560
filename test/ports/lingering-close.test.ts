import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { createCertificateAuthority } from "../support/certificate-authority.ts";

/** More than the system keeps between two sockets, so that somebody must read it. */
const LONG = 12 * 1024 * 1024;
const refused = /^HTTP\/1\.1 413 .*"code":"body_too_large"/s;

let directory: string;
const berths: Record<string, TestBerth> = {};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "berth-linger-"));
  const { cert, key } = await (await createCertificateAuthority()).issue("127.0.0.1");
  const files = { TLS_CERT_FILE: join(directory, "tls.crt"), TLS_KEY_FILE: join(directory, "tls.key") };
  await writeFile(files.TLS_CERT_FILE, cert);
  await writeFile(files.TLS_KEY_FILE, key);
  berths.http = await startBerth();
  berths.https = await startBerth({ environment: files });
});

afterAll(async () => {
  for (const berth of Object.values(berths)) await berth.remove();
  await rm(directory, { recursive: true });
});

describe.each(["http", "https"])("a body that is refused before all of it came, over %s", (scheme) => {
  let berth: TestBerth;

  beforeAll(() => {
    berth = berths[scheme] as TestBerth;
  });

  /** Begins to send a body, of so many bytes or chunks without an end, and reads nothing yet. */
  async function begin(length?: number): Promise<Socket> {
    const port = Number(new URL(berth.url).port);
    const isTls = scheme === "https";
    const socket = isTls ? connectTls({ port, rejectUnauthorized: false }) : connect({ port, allowHalfOpen: true });
    socket.allowHalfOpen = true;
    await new Promise((resolve) => socket.once(isTls ? "secureConnect" : "connect", resolve));
    socket.pause();
    socket.write(
      `PUT /api/v1/organization/acme/state HTTP/1.1\r\nHost: berth\r\nAuthorization: Bearer ${berth.adminToken}\r\n` +
        `Content-Type: application/json\r\n` +
        `${length === undefined ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`}\r\n\r\n`,
    );
    return socket;
  }

  it("is told so to a client that sends all of it before it reads", async () => {
    const socket = await begin(LONG);
    const failures: Error[] = [];
    socket.on("error", (error) => failures.push(error));
    await new Promise<void>((resolve) => socket.write(Buffer.alloc(LONG, " "), () => resolve()));
    const answer = await readToEnd(socket);
    expect({ answer, failures }).toEqual({ answer: expect.stringMatching(refused), failures: [] });
    socket.end();
  });

  const requests = () => berth.log.filter((line) => line.includes('"request"')).length;

  /** Begins with what is refused for its length, of a byte too many, and waits until it is. */
  async function refuse(): Promise<Socket> {
    const socket = await begin(limits.state.bodyBytes + 1);
    const answered = new Promise((resolve) => socket.once("data", resolve));
    socket.resume();
    await answered;
    return socket;
  }

  it("is followed by no other request", async () => {
    const socket = await refuse();
    socket.write(Buffer.alloc(limits.state.bodyBytes, " "));
    const before = requests();
    socket.write(" GET /nothing HTTP/1.1\r\nHost: berth\r\n\r\n");
    await new Promise((resolve) => socket.once("close", resolve).end());
    // Who is answered after it would have been logged after it.
    (await refuse()).destroy();
    expect(requests()).toBe(before + 1);
  });

  it("is not read for ever, when it has no end", async () => {
    const socket = await begin();
    const piece = Buffer.from(`10000\r\n${" ".repeat(0x10000)}\r\n`);
    expect(await sendUntilCut(socket, piece)).toBeLessThan(limits.state.bodyBytes + limits.http.lingerBytes + LONG);
  });

  it("is not waited for, when it comes a byte at a time", async () => {
    const socket = await begin(LONG);
    expect(await sendUntilCut(socket, Buffer.from(" "), 100)).toBeLessThan(LONG);
  });
});

async function readToEnd(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  socket.resume();
  await new Promise((resolve) => socket.once("end", resolve).once("close", resolve));
  return text;
}

/** @returns how many bytes went */
async function sendUntilCut(socket: Socket, piece: Buffer, pause = 0): Promise<number> {
  socket.on("error", () => {});
  while (!socket.destroyed) {
    await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
    await sleep(pause);
  }
  return socket.bytesWritten;
}
