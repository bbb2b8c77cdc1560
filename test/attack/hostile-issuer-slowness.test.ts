import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ApiAnswer } from "../support/berth.ts";
import { expectRefusal, expectRefusalRecord } from "../support/refusals.ts";
import {
  type Arrange,
  type BoundIssuer,
  DOCUMENT,
  type HostileIssuers,
  KEYS,
  openHostileIssuers,
} from "./hostile-issuers.ts";

let hostile: HostileIssuers;
beforeAll(async () => {
  hostile = await openHostileIssuers();
});
afterAll(() => hostile.close());

/** Sends a head at once and then a piece ten times a second, for as long as anybody listens. */
const drip = (path: string, head: string, piece: string): Arrange => {
  return (issuer) =>
    issuer.answer(path, (_, { socket }) => {
      socket.write(head);
      const dripping = setInterval(() => socket.write(piece), 100);
      socket.once("close", () => clearInterval(dripping));
    });
};

const ok = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
const chunked = `${ok}transfer-encoding: chunked\r\n\r\n`;

describe("an issuer that takes its time", () => {
  const ways: [string, Arrange][] = [
    ["says nothing at all", (issuer) => issuer.answer(DOCUMENT, () => {})],
    ["says nothing of its keys", (issuer) => issuer.answer(KEYS, () => {})],
    ["drips its head", drip(KEYS, "HTTP/1.1 200 OK\r\n", "x: y\r\n")],
    ["drips its status", drip(KEYS, "HTTP/1.1 200 ", "O")],
    ["drips its document", drip(DOCUMENT, `${ok}content-length: 5000\r\n\r\n{`, " ")],
    ["drips its keys", drip(KEYS, `${ok}content-length: 5000\r\n\r\n{`, " ")],
    ["drips chunks", drip(KEYS, chunked, "1\r\n \r\n")],
    ["never ends its chunks", (issuer) => issuer.answerRaw(KEYS, `${chunked}2\r\n{}\r\n`, "wait")],
    ["never ends its trailers", drip(KEYS, `${chunked}2\r\n{}\r\n0\r\n`, "x: y\r\n")],
    ["never ends its head", (issuer) => issuer.answerRaw(KEYS, "HTTP/1.1 200 OK\r\nx: y", "wait")],
    ["drips interim answers", drip(KEYS, "", "HTTP/1.1 103 Early Hints\r\n\r\n")],
    ["drips the body of an error", drip(KEYS, "HTTP/1.1 500 Sorry\r\ncontent-length: 5000\r\n\r\n", "x")],
  ];

  /** All of them at once: none may hold up another, and each takes its five seconds. */
  const answers = new Map<string, { bound: BoundIssuer; answer: ApiAnswer }>();
  beforeAll(async () => {
    const bound = await Promise.all(ways.map(([, arrange]) => hostile.start(arrange)));
    hostile.berth.clock.advance(61);
    await Promise.all(
      ways.map(async ([name], index) => {
        const one = bound[index] as BoundIssuer;
        answers.set(name, { bound: one, answer: await one.exchange() });
      }),
    );
  });

  it.each(ways)("and %s is given up, with its connection", async (name) => {
    const { bound, answer } = answers.get(name) as { bound: BoundIssuer; answer: ApiAnswer };
    expectRefusal(answer, 503, "issuer_unreachable");
    const record = await expectRefusalRecord(hostile.berth, answer, "issuer_unreachable");
    expect(record.metadata.reason.detail).toMatch(/no answer in time|status 500/);
    await expect.poll(() => bound.openConnections()).toBe(0);
  });
});

describe("an issuer that never answers", () => {
  it("does not slow others", async () => {
    const silent = await hostile.start((issuer) => issuer.answer(DOCUMENT, () => {}));
    const [good, neighbour] = [await hostile.start(), await hostile.start()];
    // Saving a binding asks its issuer, too, and a pause follows.
    hostile.berth.clock.advance(61);
    const before = silent.issuer.requests.length;
    let isWaiting = true;
    const waiting = silent.exchange().finally(() => {
      isWaiting = false;
    });
    await expect.poll(() => silent.issuer.requests.length).toBeGreaterThan(before);
    expect((await good.exchange()).status).toBe(200);
    expect((await neighbour.exchange()).status).toBe(200);
    expect(isWaiting).toBe(true);
    expect((await waiting).status).toBe(503);
  });
});
