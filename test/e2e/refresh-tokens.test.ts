import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { programVersion, registryClients } from "../support/registry-clients/all.ts";
import type { Account } from "../support/registry-clients/operations.ts";
import type { Seat } from "../support/registry-clients/seat.ts";
import { distribution } from "../support/registry-kinds.ts";
import { type RegistrySite, startRegistrySite } from "../support/registry-site.ts";
import { describeWith } from "../support/requirements.ts";

const { docker, podman, skopeo } = registryClients;
const ROBOT_TOKEN_SECONDS = 3600;

describeWith(["docker", "podman", "skopeo", "buildah", "containerd", "registry"], "what docker login keeps", () => {
  let site: RegistrySite;
  let image: string;
  beforeAll(async () => {
    const program = "docker-registry";
    const version = programVersion(program);
    const kind = distribution({ version, program, keyProfile: "x5c", trust: "rootcertbundle" });
    site = await startRegistrySite(kind, { "acme+ci": [{ repository: "acme/*", actions: ["pull", "push"] }] });
    image = `${site.host}/acme/app:1`;
    await skopeo.push(await site.seat("acme+ci"), image);
  });
  afterAll(() => site?.close());

  interface Kept {
    /** User and password. */
    readonly auth: string;
    readonly identitytoken?: string;
  }
  const kept = async (file: string): Promise<Kept> => JSON.parse(await readFile(file, "utf8")).auths[site.host];
  const keptByDocker = ({ environment }: Seat) => kept(`${environment.DOCKER_CONFIG}/config.json`);
  const passwordOf = ({ username, password }: Account) => Buffer.from(`${username}:${password}`).toString("base64");

  it("is the password, where its registry offers nothing else", async () => {
    const [seat, account] = [await site.seat(), await site.account("acme+ci")];
    await docker.login(seat, site.host, account);
    expect(await keptByDocker(seat)).toEqual({ auth: passwordOf(account) });
    expect(await docker.inspect(seat, image)).toBe(site.machine.imageId);
  });

  describe("where its registry offers refresh tokens", () => {
    let seat: Seat;
    let account: Account;
    let refreshToken: string;
    beforeAll(async () => {
      await site.manage("PATCH", `/registries/${encodeURIComponent(site.service)}`, { refresh_tokens: true });
    });

    async function logIn(): Promise<void> {
      [seat, account] = [await site.seat(), await site.account("acme+ci")];
      await docker.login(seat, site.host, account);
      refreshToken = (await keptByDocker(seat)).identitytoken ?? "";
    }

    it("is a token in the password's place", async () => {
      await logIn();
      expect(refreshToken).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
      expect(refreshToken).not.toBe(account.password);
      expect(JSON.stringify(await keptByDocker(seat))).not.toContain(passwordOf(account));
    });

    it("serves ten uses, unchanged", async () => {
      await logIn();
      for (let use = 0; use < 10; use += 1) expect(await docker.inspect(seat, image)).toBe(site.machine.imageId);
      expect((await keptByDocker(seat)).identitytoken).toBe(refreshToken);
    });

    it("dies when the robot token is revoked", async () => {
      await logIn();
      const body = new URLSearchParams({ token: account.password });
      await fetch(`${site.berth.url}/oauth2/revoke`, { method: "POST", body });
      await expect(docker.inspect(seat, image)).rejects.toMatchObject({ stderr: expect.stringMatching(/was ended/) });
    });

    it("dies when the robot token would have expired", async () => {
      await logIn();
      site.berth.clock.advance(ROBOT_TOKEN_SECONDS + 1);
      await expect(docker.inspect(seat, image)).rejects.toMatchObject({ stderr: expect.stringMatching(/expired/) });
      site.berth.clock.advance(-ROBOT_TOKEN_SECONDS - 1);
    });

    it("is the password still with podman, which asks for none", async () => {
      const [user, robot] = [await site.seat(), await site.account("acme+ci")];
      await podman.login(user, site.host, robot);
      expect(await kept(user.environment.REGISTRY_AUTH_FILE ?? "")).toEqual({ auth: passwordOf(robot) });
    });
  });
});
