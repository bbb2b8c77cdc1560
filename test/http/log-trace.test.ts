import { afterAll, beforeAll, expect, it } from "vitest";
import { call, startBerth, type TestBerth } from "../support/berth.ts";

const trace = { trace_id: "0af7651916cd43dd8448eb211c80319c", span_id: "b7ad6b7169203331" };
const traceparent = `00-${trace.trace_id}-${trace.span_id}-01`;
let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
});

afterAll(() => berth.remove());

/** Asks for a token, and gives the lines that the log has of that request. */
async function linesOf(headers: Readonly<Record<string, string>>) {
  const answer = await call(`${berth.url}/v2/auth?scope=repository:acme/app:pull`, { headers });
  const id = answer.headers.get("x-request-id");
  const lines = berth.log.map((line) => JSON.parse(line)).filter(({ request_id }) => request_id === id);
  expect(lines.map(({ message }) => message)).toEqual(["registry token issued", "request"]);
  return lines;
}

it("names the trace and the span of the caller in every line of a request", async () => {
  for (const line of await linesOf({ traceparent })) expect(line).toMatchObject(trace);
});

it("keeps requests that are answered at once apart", async () => {
  const other = { trace_id: "1".repeat(32), span_id: "2".repeat(16) };
  const [ours, theirs, nobodys] = await Promise.all([
    linesOf({ traceparent }),
    linesOf({ traceparent: `00-${other.trace_id}-${other.span_id}-00` }),
    linesOf({}),
  ]);
  for (const line of ours) expect(line).toMatchObject(trace);
  for (const line of theirs) expect(line).toMatchObject(other);
  for (const line of nobodys) expect(line).not.toHaveProperty("trace_id");
});

it("leaves out a traceparent that is none", async () => {
  for (const line of await linesOf({ traceparent: `${traceparent}","level":"error` })) {
    expect(line).not.toHaveProperty("trace_id");
    expect(line).not.toHaveProperty("span_id");
  }
});
