import { afterAll, beforeAll, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { codeBlocks } from "../support/documentation.ts";

const page = new URL("../../docs/issuers.md", import.meta.url);

let berth: TestBerth;

beforeAll(async () => {
  berth = await startBerth({ environment: { BERTH_ALLOW_INSECURE_ISSUERS: "false" } });
});

afterAll(() => berth.remove());

it.each([
  ["A Kubernetes cluster", 2],
  ["GitLab or Keycloak on your own network", 1],
])("what the page registers under “%s” can be registered", async (heading, count) => {
  const examples = await codeBlocks(page, heading, "json");
  expect(examples).toHaveLength(count);
  for (const example of examples) {
    // Disabled, so that nobody is asked for keys.
    const sent = { ...JSON.parse(example), disabled: true };
    const { status, body } = await berth.api("POST", "/issuers", sent);
    expect(body).toMatchObject({ ...sent, registered: true });
    expect(status).toBe(201);
  }
});
