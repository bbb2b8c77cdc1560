import type { Deps } from "../deps.ts";
import type { FederationEntry } from "../domain/federation.ts";
import { printable } from "../domain/text.ts";
import { limits } from "../limits.ts";
import { defaultAlgorithms } from "../oidc/verify.ts";
import { holdIssuersOf, type Issuer, openIssuer } from "../store/issuers.ts";
import { distrust } from "./judge.ts";

type IssuerChoice =
  | { readonly ok: true; readonly issuer: Issuer }
  | { readonly ok: false; readonly path: "issuer" | "issuer_id"; readonly message: string };

/**
 * The issuer that an entry is bound to: the one that it names by its id, else the one that it replaces has,
 * else the one that was registered with that string, else, by leave of `BERTH_ISSUER_POLICY`, an open one.
 *
 * @param replacedId the issuer of the binding that the entry replaces
 */
export async function chooseIssuer(
  { config, random, clock }: Pick<Deps, "config" | "random" | "clock">,
  tx: Deps["db"],
  { issuer, issuerId }: Pick<FederationEntry, "issuer" | "issuerId">,
  replacedId?: string,
): Promise<IssuerChoice> {
  const refuse = (path: "issuer" | "issuer_id", message: string): IssuerChoice => ({ ok: false, path, message });
  const sharing = await holdIssuersOf(tx, issuer);
  const named = sharing.find(({ id }) => id === (issuerId ?? replacedId));
  if (named) return { ok: true, issuer: named };
  if (issuerId !== undefined) return refuse("issuer_id", `is not the id of an issuer ${printable(issuer)}`);

  const registered = sharing.filter((one) => one.registered);
  const [only, second] = registered;
  if (second) {
    const choices = registered.map(({ id, name }) => (name === null ? id : `${id} (${name})`)).join(", ");
    return refuse("issuer_id", `is needed: several issuers share ${printable(issuer)}: ${choices}`);
  }
  if (only) return { ok: true, issuer: only };
  if (config.issuerPolicy === "registered") {
    return refuse("issuer", `is not registered, and only registered issuers may be bound here: ask a superuser`);
  }
  const opened = await openIssuer(tx, { id: random.uuid(), issuer, createdAt: new Date(clock.now()) });
  return opened
    ? { ok: true, issuer: opened }
    : refuse("issuer", "was changed by somebody else at this moment: send it again");
}

/** Tries issuers once, as many of them as answer in good time. */
export async function tryIssuers(
  { clock, issuerKeys }: Pick<Deps, "clock" | "issuerKeys">,
  issuers: readonly Issuer[],
  party: string,
): Promise<void> {
  const until = clock.now() + limits.issuerFetch.milliseconds;
  const untried = issuers.values();
  const tryNext = async () => {
    for (const issuer of untried) {
      if (clock.now() >= until) return;
      await issuerKeys.inspect(issuer, party);
    }
  };
  await Promise.all(Array.from({ length: limits.issuerFetch.atOnceForParty }, tryNext));
}

/**
 * What keeps an issuer's tokens from being accepted, as far as is known. It is no reason to refuse a
 * binding: the issuer may only be down.
 */
export function issuerWarnings({ config, issuerKeys }: Pick<Deps, "config" | "issuerKeys">, issuer: Issuer): string[] {
  switch (distrust({ config }, issuer)) {
    case "disabled":
      return ["The issuer is disabled: its tokens are refused until a superuser enables it."];
    case "not_registered":
      return ["The issuer is not registered: its tokens are refused until a superuser registers it."];
  }
  const state = issuerKeys.known(issuer);
  if (!state) return [];
  const { keys, refusal } = state;
  if (refusal?.code === "issuer_keys_invalid" && refusal.named !== undefined && isRespelled(refusal.named, issuer)) {
    return [`The issuer calls itself ${refusal.named}, and so will its tokens: bind exactly that spelling.`];
  }
  if (refusal?.code === "issuer_unreachable" || refusal?.code === "issuer_keys_invalid") {
    return [`The issuer cannot be used right now, and its tokens are refused until it can: ${refusal.detail}.`];
  }
  return unusableKeys(issuer, [...keys]);
}

function isRespelled(named: string, { issuer }: Issuer): boolean {
  return named.replace(/\/$/, "").toLowerCase() === issuer.replace(/\/$/, "").toLowerCase();
}

type KeyEntry = readonly [kid: string, key: { problem(alg: string): string | undefined } | undefined];

function unusableKeys({ algorithms }: Issuer, keys: readonly KeyEntry[]): string[] {
  const accepted = algorithms ?? defaultAlgorithms;
  const usable = keys.some(([, key]) => key && accepted.some((alg) => key.problem(alg) === undefined));
  if (usable) return [];
  const kids = keys.map(([kid]) => printable(kid, 64)).join(", ");
  return [`None of the issuer's keys (${kids}) can be used with ${accepted.join(" or ")}: its tokens are refused.`];
}
