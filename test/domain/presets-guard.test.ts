import { describe, expect, it } from "vitest";
import type { Condition } from "../../src/domain/binding.ts";
import type { Json } from "../../src/domain/json.ts";
import { guardRefusal, presetOf } from "../../src/domain/presets.ts";

const github = "https://token.actions.githubusercontent.com";

function refusal(event: Json | undefined, claims: Record<string, Condition> | null = null, issuer = github) {
  return guardRefusal({ claims }, presetOf(issuer), (name) => (name === "event_name" ? event : "push"));
}

describe("a job on an event that runs a stranger's change with the repository's rights", () => {
  it.each(["pull_request_target", "workflow_run"])("is refused for %s", (event) => {
    expect(refusal(event)).toEqual({
      code: "claim_mismatch",
      claim: "event_name",
      expected: `a condition that names "${event}"`,
      found: `"${event}"`,
      guarded: true,
    });
  });

  it.each<[string, Condition]>([
    ["equals", { equals: "pull_request_target" }],
    ["in", { in: ["push", "pull_request_target"] }],
  ])("passes where a condition names it by %s", (_, condition) => {
    expect(refusal("pull_request_target", { event_name: condition })).toBeUndefined();
  });

  it.each<Record<string, Condition>>([
    {},
    { event_name: { equals: "workflow_run" } },
    { event_name: { in: ["push", "workflow_run"] } },
    { event_name: { prefix: "pull_request_" } },
    { event_name: { contains: "pull_request_target" } },
    { event: { equals: "pull_request_target" } },
    { toString: { equals: "pull_request_target" } },
  ])("is refused where the conditions are %j", (claims) => {
    expect(refusal("pull_request_target", claims)?.code).toBe("claim_mismatch");
  });

  it.each<{ event: Json | undefined }>([
    { event: "push" },
    { event: "workflow_dispatch" },
    { event: "Pull_Request_Target" },
    { event: "" },
    { event: null },
    { event: ["workflow_run"] },
    { event: undefined },
  ])("is not what has the claims %j", ({ event }) => {
    expect(refusal(event)).toBeUndefined();
  });

  it("is guarded wherever GitHub's kind of tokens comes from, and nowhere else", () => {
    const guarded = (issuer: string) => refusal("workflow_run", null, issuer) !== undefined;
    expect(guarded("https://github.acme.example/_services/token")).toBe(true);
    expect(guarded("https://token.actions.githubusercontent.com/acme-inc")).toBe(true);
    expect(guarded("https://codeberg.org/api/actions")).toBe(true);
    expect(guarded("https://gitlab.com")).toBe(false);
    expect(guarded("https://ci.acme.example")).toBe(false);
  });
});
