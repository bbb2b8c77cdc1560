import { beforeEach, describe, expect, it } from "vitest";
import { limits } from "../../src/limits.ts";
import { createIssuerKeys, type IssuerSource } from "../../src/oidc/issuers.ts";
import type { FetchPolicy } from "../../src/oidc/safe-fetch.ts";
import {
  createFakeIssuer,
  type FakeIssuer,
  issuerUrl,
  jsonResponse,
  keySetOf,
  keySetUrl,
  sourceOf,
} from "../support/fake-issuer.ts";

let issuer: FakeIssuer;
beforeEach(() => {
  issuer = createFakeIssuer();
});

/** The code of the refusal, or `found`. */
async function find(kid: string, given: Partial<IssuerSource> = {}): Promise<string> {
  const result = await issuer.keys.find(sourceOf(issuerUrl, given), kid, "acme");
  return result.ok ? "found" : result.refusal.code;
}

const kidsOf = ({ keys }: { readonly keys: ReadonlyMap<string, unknown> }) => [...keys.keys()];
const uploaded = (...kids: string[]) => ({ jwks: keySetOf(...kids) as NonNullable<IssuerSource["jwks"]> });

describe("uploaded keys", () => {
  it("serve for ever, and nothing is asked for, whatever is done", async () => {
    for (let year = 0; year < 3; year += 1) {
      expect(await find("a", uploaded("a"))).toBe("found");
      expect(await find("b", uploaded("a"))).toBe("key_unknown");
      issuer.advance(365 * 24 * 3600);
    }
    expect(kidsOf(await issuer.keys.inspect(sourceOf(issuerUrl, uploaded("a")), "acme"))).toEqual(["a"]);
    expect(kidsOf(await issuer.keys.refresh(sourceOf(issuerUrl, uploaded("a"))))).toEqual(["a"]);
    expect(issuer.requests).toEqual([]);
  });
});

describe("a jwks_uri", () => {
  it("is asked instead of what discovery would say", async () => {
    expect(await find("a", { jwksUri: keySetUrl })).toBe("found");
    expect(issuer.requests).toEqual([keySetUrl]);
  });

  it("is no way to the service's own keys", async () => {
    expect(await find("a", { jwksUri: "https://berth.example/.well-known/jwks.json" })).toBe("issuer_keys_invalid");
    expect(issuer.requests).toEqual([]);
  });
});

describe("issuers of one string", () => {
  it("have each their own keys", async () => {
    expect(await find("a", { id: "east", ...uploaded("a") })).toBe("found");
    expect(await find("a", { id: "west", ...uploaded("b") })).toBe("key_unknown");
    expect(await find("b", { id: "east", ...uploaded("a") })).toBe("key_unknown");
    expect(await find("b", { id: "west", ...uploaded("b") })).toBe("found");
  });
});

describe("another revision of an issuer", () => {
  it("knows nothing of the keys before", async () => {
    await find("a");
    issuer.keySet(() => jsonResponse(keySetOf("b")));
    expect(await find("a")).toBe("found");
    expect(await find("a", { revision: 2 })).toBe("key_unknown");
    expect(await find("b", { revision: 2 })).toBe("found");
  });

  it("is not undone by who still has the one before at hand", async () => {
    await find("a", { revision: 2, ...uploaded("a") });
    expect(await find("a", { revision: 1 })).toBe("found");
    expect(issuer.requests).toEqual([]);
  });

  it("has the keys of the one that it was refreshed from, and of no other", async () => {
    await find("a");
    issuer.document(undefined);
    issuer.keys.carryOver(sourceOf(issuerUrl), 2);
    expect(await find("a", { revision: 2 })).toBe("found");
    issuer.keys.carryOver(sourceOf(issuerUrl), 3);
    expect(await find("a", { revision: 3 })).toBe("issuer_unreachable");
  });
});

describe("what is known of an issuer", () => {
  it("is nothing until it was asked, and asking for it asks nobody", async () => {
    expect(issuer.keys.known(sourceOf(issuerUrl))).toBeUndefined();
    expect(issuer.requests).toEqual([]);
    await issuer.keys.inspect(sourceOf(issuerUrl), "acme");
    const asked = issuer.requests.length;
    const known = issuer.keys.known(sourceOf(issuerUrl));
    expect(known && kidsOf(known)).toEqual(["a"]);
    expect(issuer.requests).toHaveLength(asked);
  });

  it("is why it could not be asked", async () => {
    issuer.document(undefined);
    const state = await issuer.keys.inspect(sourceOf(issuerUrl), "acme");
    expect(state).toMatchObject({ refusal: { code: "issuer_unreachable" } });
    expect(issuer.keys.known(sourceOf(issuerUrl))).toMatchObject({ refusal: { code: "issuer_unreachable" } });
  });

  it("is brought up by a refresh, however fresh it is", async () => {
    await find("a");
    issuer.keySet(() => jsonResponse(keySetOf("b")));
    expect(kidsOf(await issuer.keys.refresh(sourceOf(issuerUrl)))).toEqual(["b"]);
    expect([await find("a"), await find("b")]).toEqual(["key_unknown", "found"]);
  });

  it("stays what it was through a refresh that fails, which says so", async () => {
    await find("a");
    issuer.keySet(undefined);
    const state = await issuer.keys.refresh(sourceOf(issuerUrl));
    expect(kidsOf(state)).toEqual(["a"]);
    expect(state.refusal?.code).toBe("issuer_unreachable");
    expect(await find("a")).toBe("found");
  });
});

describe("the policy of a fetch", () => {
  async function policyOf(given: Partial<IssuerSource>, allowInsecure = false): Promise<FetchPolicy | undefined> {
    let seen: FetchPolicy | undefined;
    const keys = createIssuerKeys({
      async fetch(_, __, policy) {
        seen = policy;
        return jsonResponse(keySetOf("a"));
      },
      publicUrl: "https://berth.example",
      allowInsecure,
      now: () => 0,
    });
    await keys.find(sourceOf(issuerUrl, { jwksUri: keySetUrl, ...given }), "a", "acme");
    return seen;
  }

  it("is the issuer's own", async () => {
    expect(await policyOf({})).toEqual({ allowHttp: false, allowLocal: false });
    expect(await policyOf({ allowPrivateNetwork: true })).toEqual({ allowHttp: false, allowLocal: true });
    expect(await policyOf({ caPem: "PEM" })).toEqual({ allowHttp: false, allowLocal: false, ca: "PEM" });
  });

  it("allows all of them more in development", async () => {
    expect(await policyOf({}, true)).toEqual({ allowHttp: true, allowLocal: true });
  });
});

describe("the fetches under way", () => {
  /** Issuers that answer only once they are let. */
  function createSlowIssuers() {
    const gates: (() => void)[] = [];
    let slow = true;
    let now = 0;
    const keys = createIssuerKeys({
      async fetch() {
        if (slow) await new Promise<void>((resolve) => gates.push(resolve));
        return jsonResponse(keySetOf("a"));
      },
      publicUrl: "https://berth.example",
      allowInsecure: false,
      now: () => now,
    });
    return {
      find: (name: string, party: string) =>
        keys.find(sourceOf(`https://${name}.example`, { jwksUri: `https://${name}.example/jwks` }), "a", party),
      gates,
      hurry: (hurried: boolean) => {
        slow = !hurried;
      },
      advance: (seconds: number) => {
        now += seconds * 1000;
      },
      release: () => {
        for (const open of gates.splice(0)) open();
      },
    };
  }

  it("are two for one party, and others' are not held up", async () => {
    const { find: ask, gates, release } = createSlowIssuers();
    const { atOnceForParty } = limits.issuerFetch;
    const slow = Array.from({ length: atOnceForParty }, (_, index) => ask(`slow${index}`, "acme"));
    const busy = { ok: false, refusal: { code: "issuer_unreachable", detail: expect.stringMatching(/at once/) } };
    expect(await ask("third", "acme")).toMatchObject(busy);
    const other = ask("third", "other");
    expect(gates).toHaveLength(atOnceForParty + 1);
    release();
    expect((await Promise.all([...slow, other])).every(({ ok }) => ok)).toBe(true);
    expect(gates).toHaveLength(0);
  });

  it("leave some room for issuers that have worked before", async () => {
    const { find: ask, gates, release, hurry, advance } = createSlowIssuers();
    const { atOnce, keptForProven } = limits.issuerFetch;
    const proven = Array.from({ length: keptForProven + 1 }, (_, index) => `proven${index}`);
    hurry(true);
    for (const name of proven) expect(await ask(name, name)).toMatchObject({ ok: true });
    hurry(false);
    advance(limits.issuerKeys.freshSeconds);
    const strangers = Array.from({ length: atOnce - keptForProven }, (_, index) => ask(`new${index}`, `party${index}`));
    expect(await ask("late", "late")).toMatchObject({ ok: false });
    const renewed = proven.map((name) => ask(name, name));
    expect(gates).toHaveLength(atOnce);
    release();
    expect((await Promise.all([...strangers, ...renewed])).every(({ ok }) => ok)).toBe(true);
  });
});
