import { describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { type IssuerFetch, safeFetch } from "../../src/oidc/safe-fetch.ts";

const url = "https://ci.example/keys";
const strict = { allowHttp: false, allowLocal: false };

/** Fetches where every request is answered so. */
function fetchFrom(answer: IssuerFetch, from = url, policy = strict) {
  return safeFetch(answer, from, policy, AbortSignal.timeout(60_000));
}

function throwing(error: unknown): IssuerFetch {
  return async () => {
    throw error;
  };
}

function streamOf(...parts: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part));
      controller.close();
    },
  });
}

const coded = (code: unknown, cause?: unknown) => Object.assign(new Error("failed", { cause }), { code });

describe("a fetch from an issuer", () => {
  it("asks for JSON as it is, and follows nothing", async () => {
    let asked: RequestInit | undefined;
    await fetchFrom(async (_, init) => {
      asked = init;
      return new Response("{}");
    });
    expect(asked).toMatchObject({
      redirect: "manual",
      headers: { accept: "application/json", "accept-encoding": "identity" },
    });
  });

  it.each([
    ["none", null, ""],
    ["one piece", "{}", "{}"],
    ["several chunks", streamOf("[1", ",2,", "3]"), "[1,2,3]"],
    ["as many bytes as there may be", "x".repeat(limits.issuerFetch.bytes), "x".repeat(limits.issuerFetch.bytes)],
  ])("gives a body of %s", async (_, sent, text) => {
    const { body } = await fetchFrom(async () => new Response(sent));
    expect(new TextDecoder().decode(body)).toBe(text);
  });

  it.each([300, 302, 399])("refuses the redirect %d, with a body or without", async (status) => {
    for (const body of [null, "elsewhere"]) {
      await expect(fetchFrom(async () => new Response(body, { status }))).rejects.toThrow(
        `${url} answers with a redirect, which is not followed`,
      );
    }
  });

  it.each([200, 299, 400, 500])("tells the status %d", async (status) => {
    expect((await fetchFrom(async () => new Response("", { status }))).status).toBe(status);
  });

  it("refuses one byte more than there may be", async () => {
    const tooLong = async () => new Response("x".repeat(limits.issuerFetch.bytes + 1));
    await expect(fetchFrom(tooLong)).rejects.toThrow(`${url} answers with more than 102400 bytes`);
  });

  it.each(["ftp://ci.example/", "http://ci.example/", "not a URL", "https://a@ci.example/", "https://:b@ci.example/"])(
    "asks nobody at %s",
    async (from) => {
      await expect(fetchFrom(throwing("asked"), from)).rejects.toThrow(`${from} is not an https URL`);
    },
  );

  it("asks over http where that is allowed, and over nothing else", async () => {
    const lenient = { allowHttp: true, allowLocal: false };
    const answer = async () => new Response("{}");
    expect(await fetchFrom(answer, "http://ci.example/", lenient)).toMatchObject({ status: 200 });
    await expect(fetchFrom(answer, "ftp://ci.example/", lenient)).rejects.toThrow("is not an https URL");
  });

  it.each<[string, unknown]>([
    ["ENOTFOUND", coded("ENOTFOUND")],
    ["ENOTFOUND", new TypeError("fetch failed", { cause: coded("ENOTFOUND") })],
    ["ENOTFOUND", coded("ENOTFOUND", "no error")],
    ["connection failed", new TypeError("fetch failed")],
    ["connection failed", coded(7)],
    ["connection failed", "no error"],
    ["connection failed", null],
  ])("tells a failure as %s, and keeps what failed (%#)", async (reason, error) => {
    await expect(fetchFrom(throwing(error))).rejects.toMatchObject({
      name: "IssuerFetchError",
      message: `${url} cannot be fetched (${reason})`,
      cause: error,
    });
  });
});
