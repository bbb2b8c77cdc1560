import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { basic, call } from "../support/berth.ts";
import type { Clients } from "../support/clients.ts";
import { freePort } from "../support/free-port.ts";
import { fetchCertificates, startRegistry } from "../support/registry.ts";
import { describeWith } from "../support/requirements.ts";
import { SERVICE, type Site, startSite } from "../support/site.ts";

describeWith(["podman", "skopeo", "buildah", "registry"], "images", () => {
  let site: Site;
  let host: string;
  /** The image's id, which is the digest of its configuration and so of all that is in it. */
  let id: string;
  let reader: Clients;

  beforeAll(async () => {
    site = await startSite({
      "acme+ci": [{ repository: "acme/*", actions: ["pull", "push"] }],
      "acme+deploy": [{ repository: "acme/app", actions: ["pull"] }],
    });
    host = site.registry.host;
    await site.clients.login("buildah", host, "acme+ci", await site.robotToken("acme+ci"));
    id = await site.clients.build(`${host}/acme/app:1`, randomBytes(1000));
    await site.clients.push(`${host}/acme/app:1`);

    reader = await site.createClients();
    await reader.login("podman", host, "acme+deploy", await site.robotToken("acme+deploy"));
  });
  afterAll(() => site.close());

  it("are told of to who may pull", async () => {
    expect(await reader.inspect(`${host}/acme/app:1`)).toMatchObject({
      Digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      RepoTags: ["1"],
    });
    expect(await reader.listTags(`${host}/acme/app`)).toEqual(["1"]);
  });

  it("arrive as they were built", async () => {
    expect(await reader.pull(`${host}/acme/app:1`)).toBe(id);
  });

  it("are copied between two repositories, whose scopes one token holds", async () => {
    const { stderr } = await site.clients.copy(`${host}/acme/app:1`, `${host}/acme/copy:1`);
    const asked = [...stderr.matchAll(/GET (http\S+\/v2\/auth\S*)"/g)].map(([, url]) => new URL(url ?? ""));
    expect(asked.map((url) => url.searchParams.getAll("scope"))).toContainEqual([
      "repository:acme/copy:pull,push",
      "repository:acme/app:pull",
    ]);
    // The registry mounts a layer only with both.
    expect(stderr).toContain("mount OK");
    const [original, copy] = await Promise.all(
      ["app", "copy"].map((name) => site.clients.inspect(`${host}/acme/${name}:1`)),
    );
    expect(copy?.Digest).toBe(original?.Digest);
  });

  it.each([
    ["a repository that the robot may only pull", () => reader, "acme/app"],
    ["a repository of somebody else", () => site.clients, "other/app"],
  ])("are not pushed to %s", async (_, clients, repository) => {
    const image = `${host}/${repository}:2`;
    await clients().build(image, randomBytes(1000));
    await expect(clients().push(image)).rejects.toMatchObject({
      code: 125,
      stderr: expect.stringContaining("denied: requested access to the resource is denied"),
    });
    expect(await site.clients.listTags(`${host}/acme/app`)).toEqual(["1"]);
    expect(site.registry.hasRepository("other")).toBe(false);
  });

  it("are not pulled by a robot without the right", async () => {
    await site.clients.copy(`${host}/acme/app:1`, `${host}/acme/private:1`);
    await expect(reader.pull(`${host}/acme/private:1`)).rejects.toMatchObject({
      code: 125,
      stderr: expect.stringContaining("denied: requested access to the resource is denied"),
    });
  });

  it("are not pulled without a credential", async () => {
    const nobody = await site.createClients();
    await expect(nobody.pull(`${host}/acme/app:1`)).rejects.toMatchObject({
      code: 125,
      stderr: expect.stringContaining("unauthorized: authentication required"),
    });
  });

  it("are kept from a token for another registry", async () => {
    const { berth } = site;
    const scope = "repository:acme/app:pull";
    const query = new URLSearchParams({ service: SERVICE, scope });
    const robotToken = await site.robotToken("acme+deploy");
    const { body } = await call(`${berth.url}/v2/auth?${query}`, {
      headers: { authorization: basic("acme+deploy", robotToken) },
    });
    const headers = { authorization: `Bearer ${body.token}` };

    const port = await freePort();
    const certificates = await fetchCertificates(berth.url, SERVICE);
    const service = "another.example";
    const other = await startRegistry({ port, service, issuer: berth.url, certificates });
    try {
      expect(await call(`http://${host}/v2/acme/app/tags/list`, { headers })).toMatchObject({ status: 200 });
      const refused = await call(`http://${other.host}/v2/acme/app/tags/list`, { headers });
      expect(refused.status).toBe(401);
      expect(refused.headers.get("www-authenticate")).toContain('error="invalid_token"');
      await expect.poll(other.log).toContain("token intended for another audience");

      // Nor does Berth make one for a service that it does not know.
      await expect(reader.login("skopeo", other.host, "acme+deploy", robotToken)).rejects.toMatchObject({
        stderr: expect.stringContaining("400 (Bad Request)"),
      });
    } finally {
      await other.remove();
    }
  });
});
