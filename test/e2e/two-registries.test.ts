import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { type Clients, createClients } from "../support/clients.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { fetchCertificates, startRegistry, type TestRegistry } from "../support/registry.ts";
import { describeWith } from "../support/requirements.ts";

const repository = "acme/*";

describeWith(["podman", "skopeo", "buildah", "registry"], "two registries behind one Berth", () => {
  describe.each(["x5c", "kid"])("with the %s profile", (keyProfile) => {
    const [A, B] = ["a.example", "b.example"];
    const closers: (() => Promise<void>)[] = [];
    let berth: TestBerth;
    let issuer: TestIssuer;
    let a: TestRegistry;
    let b: TestRegistry;
    let clients: Clients;
    let password: string;

    beforeAll(async () => {
      issuer = await startIssuer();
      closers.push(issuer.close);
      berth = await startBerth();
      closers.push(berth.remove);
      for (const service of [A, B]) {
        const { status } = await berth.api("POST", "/registries", { service, key_profile: keyProfile });
        expect(status).toBe(201);
      }
      await berth.createRobot("acme+ci", {
        federation: [{ issuer: issuer.url, subject }],
        grants: [
          { registry: A, repository, actions: ["pull", "push"] },
          { registry: B, repository, actions: ["pull"] },
        ],
      });
      [a, b] = [await start(A), await start(B)];
      clients = await createClients("http");
      closers.push(clients.remove);
      password = (await berth.exchange("acme+ci", await issuer.sign(berth.url))).body.token;
      for (const { host } of [a, b]) await clients.login("podman", host, "acme+ci", password);
      await clients.build(`${a.host}/acme/app:1`, Buffer.from("one"));
      await clients.build(`${b.host}/acme/app:1`, Buffer.from("one"));
    });
    afterAll(async () => {
      for (const close of closers.reverse()) await close();
    });

    /** A registry of one service that trusts what Berth exports for another, if it is told to. */
    async function start(service: string, trusted = service): Promise<TestRegistry> {
      const certificates = await fetchCertificates(berth.url, trusted);
      const registry = await startRegistry({ port: await freePort(), service, issuer: berth.url, certificates });
      closers.push(registry.remove);
      return registry;
    }

    async function tagsWith(registry: TestRegistry, service: string) {
      const query = new URLSearchParams({ service, scope: "repository:acme/app:pull" });
      const { body } = await call(`${berth.url}/v2/auth?${query}`, {
        headers: { authorization: basic("acme+ci", password) },
      });
      return call(`http://${registry.host}/v2/acme/app/tags/list`, {
        headers: { authorization: `Bearer ${body.token}` },
      });
    }

    it("grants in each what the robot holds there, whatever it asks for", async () => {
      await clients.push(`${a.host}/acme/app:1`);
      expect(await clients.listTags(`${a.host}/acme/app`)).toEqual(["1"]);
      await expect(clients.push(`${b.host}/acme/app:1`)).rejects.toMatchObject({
        stderr: expect.stringContaining("denied: requested access to the resource is denied"),
      });
      expect(b.hasRepository("acme/app")).toBe(false);
    });

    it("opens the one with no token for the other", async () => {
      expect((await tagsWith(a, A)).status).toBe(200);
      const refused = await tagsWith(b, A);
      expect(refused.status).toBe(401);
      expect(refused.headers.get("www-authenticate")).toContain('error="invalid_token"');
    });

    it("signs for each with a key of its own: the service alone does not make a token good", async () => {
      const mistaken = await start(A, B);
      const refused = await tagsWith(mistaken, A);
      expect(refused.status).toBe(401);
      expect(refused.headers.get("www-authenticate")).toContain('error="invalid_token"');
    });
  });
});
