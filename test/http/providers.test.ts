import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/domain/json.ts";
import { presets } from "../../src/domain/presets.ts";
import { audience, fillExample, type ProviderTokens } from "../domain/presets-tokens.ts";
import { providerTokens } from "../domain/presets-tokens-all.ts";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, type TestIssuer } from "../support/issuer.ts";

let berth: TestBerth;
let issuer: TestIssuer;

beforeAll(async () => {
  berth = await startBerth({ environment: { BERTH_AUDIENCE: audience } });
  issuer = await startIssuer();
});

afterAll(async () => {
  await berth.remove();
  await issuer.close();
});

/** A provider's token, signed by an issuer of here, at this hour. */
function sign(claims: JsonObject): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return issuer.sign(audience, { aud: undefined, ...claims, iss: issuer.url, iat: now, nbf: now, exp: now + 300 });
}

describe.each(presets)("a token as $name documents it", (preset) => {
  const robot = `acme+${preset.id}`;
  const { values, token, stranger } = providerTokens[preset.id] as ProviderTokens;

  beforeAll(async () => {
    const registered = await berth.api("POST", "/issuers", { issuer: issuer.url, name: preset.id, preset: preset.id });
    expect(registered.status).toBe(201);
    const example = { ...fillExample(preset.example, values), issuer: issuer.url, issuer_id: registered.body.id };
    await berth.createRobot(robot, { federation: [example] });
  });

  it("is exchanged by the preset's own binding", async () => {
    const answer = await berth.exchange(robot, await sign(token));
    expect(answer.body).toMatchObject({ robot });
    expect(answer.status).toBe(200);
  });

  it("is refused where it is a stranger's", async () => {
    const answer = await berth.exchange(robot, await sign(stranger));
    expect(answer.body.code).toMatch(/^(subject|claim|client|audience)_mismatch$/);
    expect(answer.status).toBe(400);
  });
});
