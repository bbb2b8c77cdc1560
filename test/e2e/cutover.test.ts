import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type ApiAnswer, basic, call, startBerth, type TestBerth } from "../support/berth.ts";
import { type Clients, createClients } from "../support/clients.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { fetchCertificates, startConfiguredRegistry, type TestRegistry } from "../support/registry.ts";
import { describeWith } from "../support/requirements.ts";
import { startTokenServer, type TokenServer } from "../support/token-server.ts";

const service = "registry.example";
const ISSUER = "The old token server";
const alice = { password: "correct horse battery staple", access: { "acme/app": ["pull", "push"] } };
const scope = "repository:acme/app:pull";

describeWith(["registry", "podman", "buildah", "docker"], "moving from another token server to Berth", () => {
  let berth: TestBerth;
  let old: TokenServer;
  let jobs: TestIssuer;
  let clients: Clients;
  let registry: TestRegistry;
  let images: string;
  let port: number;
  let robotToken: string;
  /** What the old server once wrote into people's configuration in their passwords' place. */
  let identityToken: string;
  /** Registry tokens from all stages so far. */
  const kept: string[] = [];
  const answers: ApiAnswer[] = [];

  beforeAll(async () => {
    images = await mkdtemp(join(tmpdir(), "berth-cutover-"));
    [port, old, jobs, clients, berth] = await Promise.all([
      freePort(),
      startTokenServer({ issuer: ISSUER, people: { alice } }),
      startIssuer(),
      createClients("http"),
      startBerth({ environment: { BERTH_REGISTRY_SERVICE: service } }),
    ]);
    await berth.createRobot("acme+ci", {
      federation: [{ issuer: jobs.url, subject }],
      grants: [{ repository: "acme/*", actions: ["pull", "push"] }],
    });
    robotToken = (await berth.exchange("acme+ci", await jobs.sign(berth.url))).body.token;
    registry = await startOn(old.realm, [old.certificate]);
  });

  afterAll(async () => {
    await Promise.all([registry.remove(), berth.remove(), old.close(), jobs.close(), clients.remove()]);
    await rm(images, { recursive: true, force: true });
  });

  function startOn(realm: string, certificates: readonly string[]): Promise<TestRegistry> {
    const token = { realm, service, issuer: ISSUER, rootcertbundle: "/etc/berth/certs.pem" };
    const auth = `auth: ${JSON.stringify({ token })}`;
    return startConfiguredRegistry({ port, auth, trust: { "certs.pem": certificates.join("") }, data: images });
  }

  /** The planned restart of each stage. */
  async function restartOn(realm: string): Promise<void> {
    await registry.remove();
    registry = await startOn(realm, [old.certificate, await fetchCertificates(berth.url, service)]);
  }

  /** Asks the realm that the registry names, in one of the ways that clients have. */
  async function askForToken(query: string, init: RequestInit = {}): Promise<ApiAnswer> {
    const challenged = await call(`http://${registry.host}/v2/acme/app/tags/list`);
    const [, realm = ""] = /realm="([^"]*)"/.exec(challenged.headers.get("www-authenticate") ?? "") ?? [];
    return note(await call(`${realm}${query}`, init));
  }

  const byBasic = (username: string, password: string) =>
    askForToken(`?${new URLSearchParams({ service, scope, account: username })}`, {
      headers: { authorization: basic(username, password) },
    });

  const byForm = (form: Record<string, string>) =>
    askForToken("", { method: "POST", body: new URLSearchParams({ service, scope, client_id: "test", ...form }) });

  async function use(token: string): Promise<void> {
    const headers = { authorization: `Bearer ${token}` };
    note(await call(`http://${registry.host}/v2/acme/app/tags/list`, { headers }));
  }

  function note(answer: ApiAnswer): ApiAnswer {
    answers.push(answer);
    return answer;
  }

  /** Everything that goes on while the registry is up; each token is used, and so is every one from before. */
  async function workAsAlice(): Promise<void> {
    await clients.login("podman", registry.host, "alice", alice.password);
    await clients.build(`${registry.host}/acme/app:1`, new Uint8Array([kept.length]));
    await clients.push(`${registry.host}/acme/app:1`);
    await clients.pull(`${registry.host}/acme/app:1`);
    for (let time = 0; time < 5; time += 1) {
      const issued = [
        await byBasic("alice", alice.password),
        await byForm({ grant_type: "password", username: "alice", password: alice.password }),
        await byForm({ grant_type: "refresh_token", refresh_token: identityToken }),
      ];
      kept.push(...issued.map(({ body }) => body.token));
    }
    for (const token of kept) await use(token);
  }

  async function workAsRobot(): Promise<void> {
    const others = await createClients("http");
    try {
      await others.login("podman", registry.host, "acme+ci", robotToken);
      await others.build(`${registry.host}/acme/app:2`, new Uint8Array([kept.length]));
      await others.push(`${registry.host}/acme/app:2`);
      await others.pull(`${registry.host}/acme/app:2`);
    } finally {
      await others.remove();
    }
    for (let time = 0; time < 5; time += 1) kept.push((await byBasic("acme+ci", robotToken)).body.token);
    for (const token of kept) await use(token);
  }

  const refused = () => answers.filter(({ status }) => status !== 200);

  it("begins with the old token server alone", async () => {
    const offline = { grant_type: "password", username: "alice", password: alice.password, access_type: "offline" };
    identityToken = (await byForm(offline)).body.refresh_token;
    await workAsAlice();
    expect(refused()).toEqual([]);
  });

  it("tells Berth whose issuer it speaks for, and who answers for people", async () => {
    const changed = await berth.api("PATCH", `/registries/${service}`, { issuer: ISSUER, fallback_realm: old.realm });
    expect(changed.status, JSON.stringify(changed.body)).toBe(200);
    expect(changed.body).toMatchObject({ service, issuer: ISSUER, fallback_realm: old.realm });
  });

  it("trusts both: the registry has the certificates of either, and nobody notices", async () => {
    await restartOn(old.realm);
    await workAsAlice();
    expect(refused()).toEqual([]);
  });

  it.each(["flips the realm to Berth", "flips it back", "and forth again"])("%s", async (stage) => {
    const toBerth = stage !== "flips it back";
    await restartOn(toBerth ? `${berth.url}/v2/auth` : old.realm);
    await workAsAlice();
    if (toBerth) await workAsRobot();
    expect(refused()).toEqual([]);
  });

  it("refused nobody of some hundred, and told the old server of people alone", () => {
    expect(answers.length).toBeGreaterThan(300);
    expect(new Set(old.requests.map(({ username }) => username))).toEqual(new Set(["alice"]));
  });

  it("passes on a refusal of the old server as it stands", async () => {
    const asked = { headers: { authorization: basic("alice", "wrong") } };
    const query = `?${new URLSearchParams({ service, scope })}`;
    const [direct, passedOn] = [
      await call(`${old.realm}${query}`, asked),
      await call(`${berth.url}/v2/auth${query}`, asked),
    ];
    expect(passedOn).toMatchObject({ status: 401, body: direct.body });
    for (const name of ["content-type", "www-authenticate"]) {
      expect(passedOn.headers.get(name)).toBe(direct.headers.get(name));
    }
  });

  it("lets a person log in with the Docker CLI, and keeps their password out of the log", async () => {
    const { stdout } = await clients.login("docker", registry.host, "alice", alice.password);
    expect(stdout).toMatch(/^Login Succeeded/);
    expect(berth.log.join("\n")).not.toContain(alice.password);
    expect(berth.log.join("\n")).not.toContain(Buffer.from(`alice:${alice.password}`).toString("base64"));
  });

  it("goes on with robots when the old server is gone, and tells people why they have to wait", async () => {
    await old.close();
    expect((await byBasic("acme+ci", robotToken)).status).toBe(200);
    const { status, headers, body } = await byBasic("alice", alice.password);
    expect([status, headers.has("retry-after")]).toEqual([503, true]);
    expect(body.errors).toMatchObject([
      { code: "UNAVAILABLE", message: expect.stringContaining("answers for people") },
    ]);
    expect(berth.log.join("\n")).not.toContain(alice.password);
  });
});
