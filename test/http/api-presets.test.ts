import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { presets } from "../../src/domain/presets.ts";
import { call, startBerth, type TestBerth } from "../support/berth.ts";
import { expectProblem } from "../support/problems.ts";

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth();
});

afterAll(() => berth.remove());

describe("the presets", () => {
  it("are listed, as the service uses them", async () => {
    const { status, body } = await berth.api("GET", "/presets");
    expect(status).toBe(200);
    expect(body.presets.map(({ id }: { id: string }) => id)).toEqual(presets.map(({ id }) => id));
    expect(body.presets[0]).toEqual({
      id: "github-actions",
      name: "GitHub Actions",
      issuers: ["https://token.actions.githubusercontent.com"],
      shared: true,
      anchors: presets[0]?.anchors,
      immutable_ids: ["repository_id", "repository_owner_id"],
      replay_protection: true,
      audience: expect.stringContaining("audience"),
      claims: expect.arrayContaining(["repository", "event_name"]),
      guarded: { claim: "event_name", values: ["pull_request_target", "workflow_run"] },
      example: {
        issuer: "https://token.actions.githubusercontent.com",
        subject: "repo:{owner}@{owner_id}/{repository}@{repository_id}:ref:refs/heads/main",
      },
      documentation: "https://docs.github.com/en/actions/reference/security/oidc",
    });
    expect(body.presets.find(({ id }: { id: string }) => id === "okta")).toMatchObject({
      guarded: null,
      example: { claims: { cid: { equals: "{client_id}" } } },
    });
  });

  it("are told to nobody without an API token", async () => {
    const answer = await call(`${berth.url}/api/v1/presets`);
    expectProblem(answer, 401, "unauthenticated");
  });

  it("are described in the API's description", async () => {
    const { body } = await call(`${berth.url}/openapi.json`, {
      headers: { authorization: `Bearer ${berth.adminToken}` },
    });
    expect(Object.keys(body.paths["/api/v1/presets"])).toEqual(["get"]);
    expect(body.components.schemas.Preset.properties.issuers).toMatchObject({
      type: "array",
      items: { type: "string" },
    });
  });
});
