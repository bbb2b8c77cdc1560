import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { subject } from "../support/issuer.ts";
import { askRegistryToken, expectRefusal, recordsOf } from "../support/refusals.ts";
import { type BoundIssuer, DOCUMENT, type HostileIssuers, KEYS, openHostileIssuers } from "./hostile-issuers.ts";

let hostile: HostileIssuers;
let good: BoundIssuer;
let robotToken = "";
beforeAll(async () => {
  hostile = await openHostileIssuers();
  good = await hostile.start();
  robotToken = (await good.exchange()).body.token;
});
afterAll(() => hostile.close());

/** Berth's own address as `spell` writes it. */
const own = (spell: (port: string) => string) => spell(new URL(hostile.berth.url).port);

describe("Berth as an issuer", () => {
  it.each([
    ["as it is", (port: string) => `http://127.0.0.1:${port}`],
    ["with a slash", (port: string) => `http://127.0.0.1:${port}/`],
    ["with a path", (port: string) => `http://127.0.0.1:${port}/realms/main`],
    ["shortened", (port: string) => `http://127.1:${port}`],
    ["as a number", (port: string) => `http://2130706433:${port}`],
    ["in hexadecimal", (port: string) => `http://0x7f.0.0.1:${port}`],
    ["with zeros before its port", (port: string) => `http://127.0.0.1:0${port}`],
  ])("is bound by nobody, written %s", async (_, spell) => {
    const path = `/organization/${good.robot.split("+")[0]}/robots/ci/federation`;
    const { status, body } = await hostile.berth.api("POST", path, [{ issuer: own(spell), subject }]);
    expect([status, body.code]).toEqual([400, "invalid"]);
  });

  it.each([
    ["by name", (port: string) => `http://localhost:${port}`],
    ["mapped into IPv6", (port: string) => `http://[::ffff:7f00:1]:${port}`],
  ])("gives no keys by another name: %s", async (_, spell) => {
    const issuer = own(spell);
    const robot = `itself-${new URL(issuer).hostname.replaceAll(/[^a-z0-9]/g, "")}+ci`;
    await hostile.berth.createRobot(robot, { federation: [{ issuer, subject }] });
    const answer = await hostile.berth.exchange(robot, await good.sign({ iss: issuer }));
    expectRefusal(answer, 503, "issuer_keys_invalid");
  });

  it("takes none of its own tokens in exchange", async () => {
    const registry = await askRegistryToken(hostile.berth, `service=${hostile.berth.host}`, [good.robot, robotToken]);
    expect(registry.status).toBe(200);
    for (const token of [robotToken, registry.body.token]) {
      const answer = await good.exchange(token);
      expectRefusal(answer, 400, answer.body.code);
      const [record, ...more] = await recordsOf(hostile.berth, answer);
      expect(more).toEqual([]);
      expect(record.outcome).toBe("refused");
    }
  });
});

describe("an issuer that passes Berth's keys off as its own", () => {
  it.each([
    ["by its document", (jwksUri: string) => ({ jwks_uri: jwksUri })],
    [
      "by its document, and Berth's other endpoints",
      (jwksUri: string) => ({ jwks_uri: jwksUri, token_endpoint: jwksUri }),
    ],
  ])("gains nothing %s", async (_, describe) => {
    const bound = await hostile.start((issuer) =>
      issuer.answerJson(DOCUMENT, { issuer: issuer.url, ...describe(`${hostile.berth.url}/.well-known/jwks.json`) }),
    );
    await bound.expectRefused(/^(issuer_keys_invalid|key_unknown)$/);
    const answer = await bound.exchange(robotToken);
    expectRefusal(answer, 400, answer.body.code);
  });

  it("gains nothing by a copy of them", async () => {
    const bound = await hostile.start();
    const keys = await (await fetch(`${hostile.berth.url}/.well-known/jwks.json`)).json();
    bound.issuer.answerJson(KEYS, keys);
    const answer = await bound.exchange(robotToken);
    expectRefusal(answer, 400, answer.body.code);
    const [kid] = keys.keys.map((key: { kid: string }) => key.kid);
    const forged = await bound.exchange(await bound.sign({}, { kid }));
    expectRefusal(forged, 400, "token_refused");
  });
});
