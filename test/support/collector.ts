import { createServer, type IncomingHttpHeaders } from "node:http";
import { freePort } from "./free-port.ts";

/** An OpenTelemetry collector that keeps what it is sent: OTLP over HTTP, in protobuf. */
export interface Collector {
  readonly url: string;
  /** Of each batch, the headers that it came with. */
  readonly headers: readonly IncomingHttpHeaders[];
  readonly spans: readonly CollectedSpan[];
  close(): Promise<void>;
}

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: none. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: "server" | "client" | "other";
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly failed: boolean;
  /** Of the service that sent it. */
  readonly resource: Readonly<Record<string, unknown>>;
}

/** @param hang takes what is sent, and never answers */
export async function startCollector({ hang = false } = {}): Promise<Collector> {
  const port = await freePort();
  const headers: IncomingHttpHeaders[] = [];
  const spans: CollectedSpan[] = [];
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    if (request.url !== "/v1/traces" || request.headers["content-type"] !== "application/x-protobuf") {
      return void response.writeHead(404).end();
    }
    headers.push(request.headers);
    spans.push(...readTraces(body));
    if (!hang) response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${port}`,
    headers,
    spans,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const KINDS: Readonly<Record<string, CollectedSpan["kind"]>> = { 2: "server", 3: "client" };
const STATUS_ERROR = 2;

/** @see opentelemetry/proto/collector/trace/v1/trace_service.proto, and trace.proto, for the numbers of the fields */
function readTraces(body: Buffer): CollectedSpan[] {
  return messages(body, 1).flatMap((resourceSpans) => {
    const resource = readAttributes(messages(resourceSpans, 1).flatMap((one) => messages(one, 1)));
    const spans = messages(resourceSpans, 2).flatMap((scopeSpans) => messages(scopeSpans, 2));
    return spans.map((span) => ({
      traceId: bytes(span, 1).toString("hex"),
      spanId: bytes(span, 2).toString("hex"),
      parentSpanId: bytes(span, 4).toString("hex"),
      name: bytes(span, 5).toString(),
      kind: KINDS[String(number(span, 6))] ?? "other",
      attributes: readAttributes(messages(span, 9)),
      failed: messages(span, 15).some((status) => number(status, 3) === STATUS_ERROR),
      resource,
    }));
  });
}

function readAttributes(pairs: readonly Buffer[]): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [value = Buffer.alloc(0)] = messages(pair, 2);
      const [text] = messages(value, 1);
      return [bytes(pair, 1).toString(), text ? text.toString() : number(value, 3)];
    }),
  );
}

/** Every field of that number which has a length: texts, bytes and messages alike. */
function messages(message: Buffer, field: number): Buffer[] {
  return read(message).flatMap((one) => (one.field === field && Buffer.isBuffer(one.value) ? [one.value] : []));
}

function bytes(message: Buffer, field: number): Buffer {
  return messages(message, field)[0] ?? Buffer.alloc(0);
}

function number(message: Buffer, field: number): number | undefined {
  const found = read(message).find((one) => one.field === field);
  return typeof found?.value === "number" ? found.value : undefined;
}

/** @see https://protobuf.dev/programming-guides/encoding/ */
function read(message: Buffer): { readonly field: number; readonly value: Buffer | number }[] {
  const fields: { field: number; value: Buffer | number }[] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message.readUInt8(at++);
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(value);
    }
  };
  const take = (length: number) => {
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = varint();
    const [field, wire] = [tag >>> 3, tag & 7];
    if (wire === 0) fields.push({ field, value: varint() });
    else if (wire === 2) fields.push({ field, value: take(varint()) });
    else take(wire === 1 ? 8 : 4);
  }
  return fields;
}
