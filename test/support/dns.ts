import { createSocket } from "node:dgram";
import ipaddr from "ipaddr.js";

/** What a name server says of a name: addresses, a failure, or nothing at all. */
export type DnsAnswer = readonly string[] | "NXDOMAIN" | "SERVFAIL" | "REFUSED" | "never";

/** A name server on loopback, by UDP. */
export interface DnsServer {
  /** `address:port`, as `setServers` takes it. */
  readonly address: string;
  /** The names that were asked for, once for IPv4 and IPv6 together. */
  readonly asked: readonly string[];
  /** What it says of a name: one answer after another, and the last of them for good. Others are at 1.1.1.1. */
  answer(name: string, ...answers: DnsAnswer[]): void;
  /** Forgets all that it was told and asked. */
  reset(): void;
  close(): void;
}

const TYPES = { A: 1, AAAA: 28 };
const CODES = { NXDOMAIN: 3, SERVFAIL: 2, REFUSED: 5 };

export async function startDnsServer(): Promise<DnsServer> {
  const zone = new Map<string, DnsAnswer[]>();
  const asked: string[] = [];
  const socket = createSocket("udp4");
  socket.on("message", (query, { address, port }) => {
    const { name, end } = readName(query);
    const type = query.readUInt16BE(end);
    if (type === TYPES.A) asked.push(name);
    const answers = zone.get(name) ?? [["1.1.1.1"]];
    // IPv6 is asked for last, so that both questions of a look-up hear the same.
    const answer = (type === TYPES.AAAA && answers.length > 1 ? answers.shift() : answers[0]) as DnsAnswer;
    if (answer !== "never") socket.send(encode(query.subarray(0, end + 4), type, answer), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    answer: (name, ...answers) => void zone.set(name, answers),
    reset() {
      zone.clear();
      asked.length = 0;
    },
    close: () => socket.close(),
  };
}

/** @see RFC 1035 §4.1.2 */
function readName(query: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join("."), end: at + 1 };
}

function encode(question: Buffer, type: number, answer: Exclude<DnsAnswer, "never">): Buffer {
  const isCode = typeof answer === "string";
  const records = isCode ? [] : answer.map(toBytes).filter(({ length }) => length === (type === TYPES.A ? 4 : 16));
  const head = Buffer.from(question);
  head.writeUInt16BE(0x8180 | (isCode ? CODES[answer] : 0), 2);
  head.writeUInt16BE(records.length, 6);
  head.writeUInt16BE(0, 8);
  head.writeUInt16BE(0, 10);
  return Buffer.concat([head, ...records.map((bytes) => encodeRecord(type, bytes))]);
}

/** Of the name that was asked for, and not to be kept. */
function encodeRecord(type: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, bytes.length]), bytes]);
}

function toBytes(address: string): Buffer {
  return Buffer.from(ipaddr.parse(address).toByteArray());
}
