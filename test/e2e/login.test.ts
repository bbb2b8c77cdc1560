import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loginClients } from "../support/clients.ts";
import { describeWith } from "../support/requirements.ts";
import { type Site, startSite } from "../support/site.ts";

const pullAndPush = [{ repository: "acme/*", actions: ["pull", "push"] }];

describeWith([...loginClients, "registry"], "logging in with a robot token", () => {
  let site: Site;
  let token: string;
  beforeAll(async () => {
    site = await startSite({ "acme+ci": pullAndPush, "acme+other": pullAndPush, "acme+ended": pullAndPush });
    token = await site.robotToken("acme+ci");
  });
  afterAll(() => site.close());

  describe.each(loginClients)("%s", (client) => {
    it("logs in at the registry", async () => {
      const { stdout } = await site.clients.login(client, site.registry.host, "acme+ci", token);
      expect(stdout).toMatch(/^Login Succeeded/);
    });

    it("logs in at Berth itself", async () => {
      const { stdout } = await site.clients.login(client, site.berth.host, "acme+ci", token);
      expect(stdout).toMatch(/^Login Succeeded/);
    });

    it.each([
      ["a wrong password", () => "no robot token", "The password is no robot token of this service."],
      ["another robot's token", () => site.robotToken("acme+other"), "The robot token is another robot's."],
    ])("is refused with %s", async (_, password, reason) => {
      const { host } = site.registry;
      await expect(site.clients.login(client, host, "acme+ci", await password())).rejects.toMatchObject({
        stdout: "",
        stderr: expect.stringContaining(client === "docker" ? reason : "invalid username/password"),
      });
    });
  });

  it("leaves a record of a refusal, with its reason", async () => {
    await expect(site.clients.login("docker", site.registry.host, "acme+nobody", "x")).rejects.toBeInstanceOf(Error);
    const { body } = await site.berth.api("GET", "/organization/acme/logs?kind=registry_token&robot=acme%2Bnobody");
    expect(body.logs).toMatchObject([{ outcome: "refused", code: "credential_invalid", ip: "127.0.0.1" }]);
  });

  it("ends with the binding: a client that had logged in is told so", async () => {
    const clients = await site.createClients();
    const { host } = site.registry;
    await clients.login("podman", host, "acme+ended", await site.robotToken("acme+ended"));
    expect((await site.berth.api("DELETE", "/organization/acme/robots/ended/federation")).status).toBe(204);
    await expect(clients.pull(`${host}/acme/app:1`)).rejects.toMatchObject({
      stderr: expect.stringContaining(
        "The robot token was ended: it was revoked, or its robot, its binding or its issuer was changed",
      ),
    });
  });

  describe("an hour and a second later", () => {
    beforeAll(async () => {
      await site.clients.login("podman", site.registry.host, "acme+ci", token);
      site.berth.clock.advance(3601);
    });
    afterAll(() => site.berth.clock.advance(-3601));
    const expired = expect.stringMatching(/The robot token expired at .+Z: exchange an OIDC token for a new one\./);

    it("docker is refused, and shows the reason", async () => {
      await expect(site.clients.login("docker", site.registry.host, "acme+ci", token)).rejects.toMatchObject({
        stderr: expired,
      });
    });

    it.each(["podman", "skopeo", "buildah"] as const)("%s is refused", async (client) => {
      await expect(site.clients.login(client, site.registry.host, "acme+ci", token)).rejects.toMatchObject({
        stderr: expect.stringContaining("invalid username/password"),
      });
    });

    it("podman and skopeo, which had logged in, show the reason at their next request", async () => {
      const image = `${site.registry.host}/acme/app:1`;
      await expect(site.clients.pull(image)).rejects.toMatchObject({ stderr: expired });
      await expect(site.clients.inspect(image)).rejects.toMatchObject({ stderr: expired });
    });
  });
});
