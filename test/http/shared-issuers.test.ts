import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject } from "../support/issuer.ts";
import { makeRobot, register } from "../support/issuers.ts";
import { expectProblem } from "../support/problems.ts";
import { expectRefusal, expectRefusalRecord } from "../support/refusals.ts";
import { createSigner, type Signer } from "../support/signer.ts";

let berth: TestBerth;
let clusters: readonly [Cluster, Cluster];
const issuer = "https://kubernetes.default.svc.cluster.local";

/** Both sign under the same issuer, subject and kid, as two clusters that know nothing of each other may. */
interface Cluster {
  readonly id: string;
  readonly signer: Signer;
  token(claims?: object): Promise<string>;
}

beforeAll(async () => {
  berth = await startBerth({ environment: { BERTH_ALLOW_INSECURE_ISSUERS: "false" } });
  const make = async (name: string): Promise<Cluster> => {
    const signer = await createSigner(issuer);
    const { id } = await register(berth, issuer, { name, jwks: { keys: [signer.jwk] } });
    return { id, signer, token: (claims = {}) => signer.sign(berth.url, { ...claims }) };
  };
  clusters = [await make("east"), await make("west")];
});

afterAll(() => berth.remove());

const bound = (cluster: Cluster, given: object = {}) => ({ issuer, issuer_id: cluster.id, subject, ...given });

describe("two issuers of one string", () => {
  it("cannot stand in for each other", async () => {
    const [east, west] = clusters;
    for (const [own, other] of [
      [east, west],
      [west, east],
    ] as const) {
      const robot = await makeRobot(berth, bound(own));
      expect((await robot.exchange(await own.token())).status).toBe(200);
      const refused = await robot.exchange(await other.token());
      expectRefusal(refused, 400, "token_refused");
      await expectRefusalRecord(berth, refused, "signature_invalid");
    }
  });

  it("are each taken by their own binding alone, whatever the order", async () => {
    for (const [first, second] of [clusters, [...clusters].reverse() as [Cluster, Cluster]] as const) {
      const robot = await makeRobot(
        berth,
        bound(first, { claims: { ref: { equals: "first" } } }),
        bound(second, { claims: { ref: { equals: "second" } } }),
      );
      const [one, two] = await robot.bindings();
      for (const [cluster, ref, binding] of [
        [first, "first", one],
        [second, "second", two],
      ] as const) {
        const granted = await robot.exchange(await cluster.token({ ref }));
        expect(granted.status).toBe(200);
        const { logs } = (await berth.api("GET", `/logs?request_id=${granted.headers.get("x-request-id")}`)).body;
        expect(logs[0].metadata.binding_id).toBe(binding.id);
      }
      for (const [cluster, ref] of [
        [first, "second"],
        [second, "first"],
      ] as const) {
        const refused = await robot.exchange(await cluster.token({ ref }));
        expectRefusal(refused, 400, "claim_mismatch");
        const { metadata } = await expectRefusalRecord(berth, refused, "claim_mismatch");
        expect(metadata.token_verified).toBe(true);
      }
    }
  });

  it("each have their own audience", async () => {
    const [east, west] = clusters;
    await berth.api("PATCH", `/issuers/${east.id}`, { audiences: ["east"] });
    const robot = await makeRobot(berth, bound(east), bound(west));
    expect((await robot.exchange(await east.token({ aud: "east" }))).status).toBe(200);
    expect((await robot.exchange(await west.token())).status).toBe(200);
    expectRefusal(await robot.exchange(await west.token({ aud: "east" })), 400, "audience_mismatch");
    expectRefusal(await robot.exchange(await east.token()), 400, "audience_mismatch");
    await berth.api("PATCH", `/issuers/${east.id}`, { audiences: null });
  });

  it("are two of which one may be disabled", async () => {
    const [east, west] = clusters;
    const robot = await makeRobot(berth, bound(east), bound(west));
    await berth.api("PATCH", `/issuers/${east.id}`, { disabled: true });
    expectRefusal(await robot.exchange(await east.token()), 400, "token_refused");
    expect((await robot.exchange(await west.token())).status).toBe(200);
    await berth.api("PATCH", `/issuers/${east.id}`, { disabled: false });
    expect((await robot.exchange(await east.token())).status).toBe(200);
  });

  it("leave a binding that names neither refused, with both to choose from", async () => {
    const [east, west] = clusters;
    const robot = await makeRobot(berth, bound(east));
    const refused = await robot.federate(bound(east), { issuer, subject: "another" });
    const detail = expectProblem(refused, 400, "invalid");
    expect(refused.body.errors).toMatchObject([{ path: [1, "issuer_id"] }]);
    for (const told of [east.id, west.id, "east", "west"]) expect(detail).toContain(told);
    expect(await robot.bindings()).toMatchObject([{ issuer_id: east.id, subject }]);
  });

  it("are not told apart by an id that is another string's", async () => {
    const { jwk } = await createSigner("https://elsewhere.invalid");
    const { id } = await register(berth, "https://elsewhere.invalid", { jwks: { keys: [jwk] } });
    const robot = await makeRobot(berth, bound(clusters[0]));
    const refused = await robot.federate({ issuer, issuer_id: id, subject });
    expect(refused.body.errors).toMatchObject([{ path: [0, "issuer_id"] }]);
  });

  it("keep the bindings that they have when a client of Quay sends issuer and subject alone", async () => {
    const [east, west] = clusters;
    const robot = await makeRobot(berth, bound(east, { audiences: ["east"] }), bound(west, { audiences: ["west"] }));
    const stored = await robot.bindings();
    const answer = await robot.federate({ issuer, subject });
    expect(answer).toMatchObject({ status: 200, body: stored });
    expect((await robot.exchange(await east.token({ aud: "east" }))).status).toBe(200);
    expect((await robot.exchange(await west.token({ aud: "west" }))).status).toBe(200);
    expectRefusal(await robot.exchange(await west.token({ aud: "east" })), 400, "audience_mismatch");
  });

  it("may be repeated in terms, as they are two", async () => {
    const robot = await makeRobot(berth, ...clusters.map((cluster) => bound(cluster, { description: "any" })));
    expect(await robot.bindings()).toMatchObject(clusters.map(({ id }) => ({ issuer_id: id })));
  });
});

describe("an issuer that a binding opened, and one that was registered with its string", () => {
  it("keep their own bindings and keys", async () => {
    const there = await startIssuer();
    const insecure = await startBerth();
    const first = await makeRobot(insecure, { issuer: there.url, subject });
    const signer = await createSigner(there.url, there.kid);
    const { id, warnings } = await register(insecure, there.url, { jwks: { keys: [signer.jwk] } });
    expect(warnings).toEqual([expect.stringMatching(/Other issuers share this string/)]);
    const second = await makeRobot(insecure, { issuer: there.url, subject });
    expect(await second.bindings()).toMatchObject([{ issuer_id: id }]);
    expect((await first.bindings())[0].issuer_id).not.toBe(id);

    const [opened, registered] = [await there.sign(insecure.url), await signer.sign(insecure.url)];
    expect((await first.exchange(opened)).status).toBe(200);
    expect((await second.exchange(registered)).status).toBe(200);
    expectRefusal(await first.exchange(registered), 400, "token_refused");
    expectRefusal(await second.exchange(opened), 400, "token_refused");
    await Promise.all([insecure.remove(), there.close()]);
  });
});
