import { createIssuerKeys, type IssuerKeys, type IssuerSource } from "../../src/oidc/issuers.ts";

type Answer = () => Response;

/** An issuer that is no server but a table of answers, with a clock that stands until it is set forward. */
export interface FakeIssuer {
  readonly keys: IssuerKeys;
  /** The URLs that were asked for, in order. */
  readonly requests: readonly string[];
  /** How often the keys were asked for. */
  readonly keyRequests: number;
  /** Answers the key set so from now on; not at all without an answer. */
  keySet(answer?: Answer): void;
  /** Answers the discovery document so from now on; not at all without an answer. */
  document(answer?: Answer): void;
  advance(seconds: number): void;
}

export const issuerUrl = "https://ci.example";
export const keySetUrl = "https://keys.example/jwks";

export function jsonResponse(body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { headers: { "content-type": "application/json", ...headers } });
}

/** A key that nothing is verified with here: only its `kid` matters. */
export function keySetOf(...kids: unknown[]): unknown {
  return { keys: kids.map((kid) => ({ kty: "EC", crv: "P-256", kid })) };
}

/** An issuer as it is when a binding opens it. */
export function sourceOf(issuer: string, given: Partial<IssuerSource> = {}): IssuerSource {
  const nothing = { jwks: null, jwksUri: null, caPem: null, allowPrivateNetwork: false };
  return { id: issuer, revision: 1, issuer, ...nothing, ...given };
}

export function createFakeIssuer(issuer = issuerUrl): FakeIssuer {
  let now = 1_800_000_000;
  const requests: string[] = [];
  const answers = new Map<string, Answer | undefined>([
    ["keys", () => jsonResponse(keySetOf("a"))],
    ["document", () => jsonResponse({ issuer, jwks_uri: keySetUrl })],
  ]);
  const keys = createIssuerKeys({
    async fetch(url) {
      requests.push(url);
      const answer = answers.get(url.endsWith("/.well-known/openid-configuration") ? "document" : "keys");
      if (!answer) throw new Error("connection refused");
      return answer();
    },
    publicUrl: "https://berth.example",
    allowInsecure: false,
    now: () => now * 1000,
  });
  return {
    keys,
    requests,
    get keyRequests() {
      return requests.filter((url) => url === keySetUrl).length;
    },
    keySet: (answer) => answers.set("keys", answer),
    document: (answer) => answers.set("document", answer),
    advance(seconds) {
      now += seconds;
    },
  };
}
