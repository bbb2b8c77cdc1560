import { readFile } from "node:fs/promises";
import { connect } from "node:tls";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { freePort } from "../support/free-port.ts";
import { startNginx, type TestNginx } from "../support/nginx.ts";
import { LONGEST_MILLISECONDS, sendOver } from "../support/raw-http.ts";
import { describeWith } from "../support/requirements.ts";

/** What Berth and the proxy of `deploy/` could read in two ways: they share connections, and so requests of others. */

describeWith(["nginx", "openssl"], "behind nginx, a request that could carry another one", () => {
  let berth: TestBerth;
  let nginx: TestNginx;
  let port: number;
  let ca: Buffer;

  beforeAll(async () => {
    const [berthPort, registryPort] = [await freePort(), await freePort()];
    port = await freePort();
    const environment = { PUBLIC_URL: `https://localhost:${port}`, BERTH_TRUSTED_PROXIES: "127.0.0.1/32" };
    berth = await startBerth({ port: berthPort, environment });
    nginx = await startNginx({ port, berthPort, registryPort });
    ca = await readFile(nginx.caFile);
  });

  afterAll(async () => {
    await nginx?.remove();
    await berth?.remove();
  });

  const send = (bytes: string, quiet?: number) =>
    sendOver(connect({ port, host: "127.0.0.1", servername: "localhost", ca }), bytes, quiet);
  const host = "Host: localhost\r\n";
  const get = (path: string) => `GET ${path} HTTP/1.1\r\n${host}\r\n`;
  const smuggled = get("/api/v1/smuggled");
  const post = (lines: string, body: string) =>
    `POST /oauth2/token HTTP/1.1\r\n${host}Content-Type: application/x-www-form-urlencoded\r\n${lines}\r\n${body}`;
  const chunks = `0\r\n\r\n${smuggled}`;

  it.each([
    ["Content-Length before Transfer-Encoding", post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", chunks)],
    ["Transfer-Encoding before Content-Length", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", chunks)],
    ["two lengths", post(`Content-Length: 0\r\nContent-Length: ${smuggled.length}\r\n`, smuggled)],
    ["a length with a sign", post("Content-Length: +1\r\n", `x${smuggled}`)],
    ["another coding", post("Transfer-Encoding: xchunked\r\n", chunks)],
    ["two codings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", chunks)],
    ["a coding behind a control character", post("Transfer-Encoding: \x0bchunked\r\n", chunks)],
    ["two hosts", `GET /healthz HTTP/1.1\r\n${host}Host: evil.example\r\n\r\n`],
  ])("is refused once: %s", async (_, bytes) => {
    const { statuses, closed, text } = await send(bytes, LONGEST_MILLISECONDS);
    expect(statuses, text).toHaveLength(1);
    expect([400, 501]).toContain(statuses[0]);
    expect(closed).toBe(true);
    await expectOwnAnswers();
  });

  it.each([
    [
      "a body that nobody reads",
      `POST /healthz HTTP/1.1\r\n${host}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    ],
    ["a body of GET", `GET /healthz HTTP/1.1\r\n${host}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`],
    [
      "chunks that nobody reads",
      `POST /healthz HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`,
    ],
    [
      "an upgrade",
      `GET /healthz HTTP/1.1\r\n${host}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
    ],
    [
      "headers that a connection owns",
      `GET /healthz HTTP/1.1\r\n${host}Connection: Authorization, X-Forwarded-For\r\n\r\n`,
    ],
  ])("is answered for itself: %s", async (_, bytes) => {
    expect((await send(bytes)).statuses).toHaveLength(1);
    await expectOwnAnswers();
  });

  /** Whoever comes next over the proxy's connections is answered what they asked. */
  async function expectOwnAnswers(): Promise<void> {
    const asked = ["/healthz", "/nothing-here", "/healthz", "/.well-known/jwks.json"];
    const answers = await Promise.all(asked.map((path) => send(get(path))));
    const statuses = answers.map((answer) => answer.statuses);
    expect(statuses.filter((_, index) => index !== 1)).toEqual([[200], [200], [200]]);
    expect(answers[0]?.text).toContain('{"status":"ok"}');
    expect(answers[3]?.text).toContain('"keys"');
    expect(berth.log.join("\n")).not.toContain('"route":"/api/v1/*"');
  }
});
