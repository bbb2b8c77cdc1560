import { describe, expect, it } from "vitest";
import { describeFailure, type FetchedKeys, fetchKeys } from "../../src/oidc/discovery.ts";
import { issuerUrl, jsonResponse, keySetOf, keySetUrl } from "../support/fake-issuer.ts";

const publicUrl = "https://berth.example";
const goodDocument = { issuer: issuerUrl, jwks_uri: keySetUrl };

/** Fetches the keys of an issuer that answers so. */
function fetchFrom(
  document: Response,
  keySet = jsonResponse(keySetOf("a")),
  jwksUri: string | null = null,
): Promise<FetchedKeys> {
  const fetch = async (url: string) => (url.includes("/.well-known/") ? document : keySet);
  return fetchKeys({ fetch, policy: { allowHttp: false, allowLocal: false }, publicUrl }, issuerUrl, jwksUri);
}

async function refusalOf(fetched: Promise<FetchedKeys>) {
  return describeFailure(issuerUrl, await fetched.catch((error) => error));
}

const unacceptable = /^its discovery document is not acceptable \(.+\)$/;

describe("a discovery document is refused", () => {
  it.each<[string, Response, object]>([
    [
      "that is not there",
      new Response("", { status: 404 }),
      { code: "issuer_unreachable", detail: "its discovery document was answered with status 404" },
    ],
    [
      "that names another issuer",
      jsonResponse({ ...goodDocument, issuer: "https://evil.example" }),
      {
        code: "issuer_keys_invalid",
        detail: "its discovery document names another issuer, https://evil.example",
        named: "https://evil.example",
      },
    ],
    [
      "that names an issuer which is no text",
      jsonResponse({ ...goodDocument, issuer: 1 }),
      { code: "issuer_keys_invalid", detail: expect.stringMatching(unacceptable) },
    ],
    [
      "without a jwks_uri",
      jsonResponse({ issuer: issuerUrl }),
      { code: "issuer_keys_invalid", detail: "its discovery document has no jwks_uri" },
    ],
    [
      "that is not JSON",
      new Response("<html>", { headers: { "content-type": "application/json" } }),
      { code: "issuer_keys_invalid", detail: expect.stringMatching(unacceptable) },
    ],
    [
      "that leads to this service itself",
      jsonResponse({ ...goodDocument, jwks_uri: `${publicUrl}/keys` }),
      { code: "issuer_keys_invalid", detail: "its keys would be those of this service itself" },
    ],
  ])("%s, and the refusal says so", async (_, document, refusal) => {
    expect(await refusalOf(fetchFrom(document))).toEqual({ issuer: issuerUrl, retryAfter: 1, ...refusal });
  });
});

describe("the place of an issuer's keys", () => {
  it("needs no discovery where it is known", async () => {
    const { keys } = await fetchFrom(new Response("", { status: 404 }), jsonResponse(keySetOf("a")), keySetUrl);
    expect([...keys.keys()]).toEqual(["a"]);
  });

  it("may not be this service itself", async () => {
    const fetched = fetchFrom(jsonResponse(goodDocument), jsonResponse(keySetOf("a")), `${publicUrl}/keys`);
    expect(await refusalOf(fetched)).toMatchObject({ detail: "its keys would be those of this service itself" });
  });

  it("is told with the status that it answered", async () => {
    expect(await refusalOf(fetchFrom(jsonResponse(goodDocument), new Response("{}", { status: 503 })))).toEqual({
      code: "issuer_unreachable",
      issuer: issuerUrl,
      detail: "its keys were answered with status 503",
      retryAfter: 1,
    });
  });

  it.each([
    [null, undefined],
    ["max-age=120", 120],
    ["max-age=120 , public", 120],
    ["public,max-age=120", 120],
    ["max-age=120x", undefined],
    ["x-max-age=120", undefined],
  ])("says with Cache-Control: %s that keys are good for %s seconds", async (cacheControl, seconds) => {
    const keySet = jsonResponse(keySetOf("a"), cacheControl === null ? {} : { "cache-control": cacheControl });
    expect((await fetchFrom(jsonResponse(goodDocument), keySet)).maxAge).toBe(seconds);
  });
});

describe("a failure that nobody foresaw", () => {
  it.each<[string, unknown, string]>([
    ["an error", new TypeError("no\nluck"), "no\ufffdluck"],
    ["no error", "no luck", "unknown failure"],
  ])("is told, where it is %s", (_, error, words) => {
    expect(describeFailure(issuerUrl, error)).toEqual({
      code: "issuer_keys_invalid",
      issuer: issuerUrl,
      detail: `its discovery document is not acceptable (${words})`,
      retryAfter: 1,
    });
  });
});
