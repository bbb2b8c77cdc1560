import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { codeBlocks } from "../support/documentation.ts";
import { freePort } from "../support/free-port.ts";
import { type Keycloak, type Realm, startKeycloak } from "../support/keycloak.ts";
import { fetchCertificates, startRegistry, type TestRegistry } from "../support/registry.ts";
import { describeWith, pathOf } from "../support/requirements.ts";
import { type Output, run } from "../support/run.ts";

const page = new URL("../../docs/keycloak.md", import.meta.url);
const robot = "fed_test+robot1";
const federation = "/organization/fed_test/robots/robot1/federation";

const needs = ["java", "keycloak", "curl", "jq", "python3-requests", "podman", "registry"] as const;

describeWith(needs, "Quay's keyless procedure with Keycloak as it ships", () => {
  let directory: string;
  let keycloak: Keycloak;
  let realm: Realm;
  let start: () => Promise<TestBerth>;
  let berth: TestBerth;
  let registry: TestRegistry;
  let environment: Record<string, string>;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "berth-keycloak-test-"));
    const port = await freePort();
    const service = `127.0.0.1:${port}`;
    const berthPort = await freePort();
    const dataDir = join(directory, "data");
    start = () => startBerth({ environment: { BERTH_REGISTRY_SERVICE: service }, port: berthPort, dataDir });
    [keycloak, berth] = await Promise.all([startKeycloak(), start()]);
    realm = await keycloak.createRealm("quayrealm");
    const certificates = await fetchCertificates(berth.url, service);
    registry = await startRegistry({ port, service, issuer: berth.url, certificates });
    environment = {
      ...(await podmanEnvironment(directory, registry.host)),
      PATH: [keycloak.bin, process.env.PATH].join(delimiter),
      // Java takes the home from the user database, and kcadm.sh writes its session there.
      KC_OPTS: `-Duser.home=${directory} -XX:TieredStopAtLevel=1`,
      BERTH: berth.url,
      ADMIN_TOKEN: berth.adminToken,
      REGISTRY: registry.host,
      ISSUER: realm.issuer,
      CLIENT_ID: "quaydev",
      CLIENT_SECRET: await realm.createClient("quaydev"),
      KEYCLOAK_USER: "service-account-quaydev",
      KEYCLOAK_PASSWORD: "a & b",
      SUBJECT: await realm.createUser("service-account-quaydev", "a & b"),
    };
    await follow(["Make a robot"]);
  });

  afterAll(async () => {
    await Promise.all([registry?.remove(), berth?.remove(), keycloak?.stop()]);
    await rm(directory, { recursive: true, force: true });
  });

  beforeEach(() => berth.api("DELETE", federation));

  /** Does what the page says under its headings, in one shell, and then something more. */
  async function follow(headings: readonly string[], more = "", variables: Record<string, string> = {}) {
    const blocks = await Promise.all(headings.map((heading) => codeBlocks(page, heading, "sh")));
    // Bash takes the socket that Node gives it for a remote shell's, and would read its start-up file.
    return run("bash", ["--norc", "-euo", "pipefail", "-c", [...blocks.flat(), more].join("\n")], {
      environment: { ...environment, ...variables },
    });
  }

  async function accessToken(variables: Record<string, string> = {}): Promise<string> {
    const { stdout } = await follow(["Get an access token"], 'echo "$TOKEN"', variables);
    return stdout.trim();
  }

  const robotToken = () => follow(["Get an access token", "Exchange it"], 'echo "$ROBOT_TOKEN"');

  it("refuses a token with Quay's two keys alone, and says what to set", async () => {
    await follow(["Bind it"]);
    const token = await accessToken();
    expect(claimsOf(token)).toMatchObject({ aud: "account", azp: "quaydev", sub: environment.SUBJECT });

    const { status, body } = await berth.exchange(robot, token);
    expect({ status, code: body.code }).toEqual({ status: 400, code: "audience_mismatch" });
    expect(body.message).toContain('"account"');
    expect(body.message).toContain(`"${berth.url}"`);
    expect(body.message).toContain("the binding's audiences");
    const failure: Output = await robotToken().catch((error) => error);
    expect(failure.stderr).toContain(body.message);
  });

  it("takes a token that Berth's audience was added to by a mapper, with Quay's two keys alone", async () => {
    const { username, password } = keycloak.admin;
    const variables = { CLIENT_ID: "mapped", CLIENT_SECRET: await realm.createClient("mapped") };
    await run(
      "kcadm.sh",
      ["config", "credentials", "--server", keycloak.url, "--realm", "master", "--user", username],
      { environment: { ...environment, KC_CLI_PASSWORD: password } },
    );
    await follow(["An audience mapper"], "", variables);
    await follow(["Bind it"]);
    const token = await accessToken(variables);
    expect(claimsOf(token).aud).toEqual([berth.url, "account"]);
    expect((await berth.exchange(robot, token)).status).toBe(200);
  });

  it("takes a token by the client that it was issued to, and by no other", async () => {
    await follow(["The client instead of the audience"]);
    expect((await robotToken()).stdout.split(".")).toHaveLength(3);

    const other = await accessToken({ CLIENT_ID: "other", CLIENT_SECRET: await realm.createClient("other") });
    const { status, body } = await berth.exchange(robot, other);
    expect({ status, code: body.code }).toEqual({ status: 400, code: "client_mismatch" });
    expect(body.message).toContain('"other"');
  });

  it("takes a token that names no audience by its client", async () => {
    const secret = await realm.createClient("narrow", { fullScopeAllowed: false });
    const variables = { CLIENT_ID: "narrow", CLIENT_SECRET: secret };
    const token = await accessToken(variables);
    expect(claimsOf(token)).not.toHaveProperty("aud");

    await follow(["Bind it"]);
    const refused = await berth.exchange(robot, token);
    expect(refused.body.code).toBe("audience_mismatch");
    expect(refused.body.message).toContain("names no audience");
    await follow(["The client instead of the audience"], "", variables);
    expect((await berth.exchange(robot, token)).status).toBe(200);
  });

  it("takes a token by the audience account, and warns of it", async () => {
    const bound = await follow(["The audience `account`"]);
    expect(JSON.parse(bound.stdout)).toMatchObject([
      { audiences: ["account"], warnings: [expect.stringContaining("every access token that Keycloak gives")] },
    ]);
    expect((await robotToken()).stdout.split(".")).toHaveLength(3);
  });

  it("keeps a setting when the two keys are sent again, until it is unset", async () => {
    await follow(["The audience `account`"]);
    const { stdout } = await follow(["Bind it"]);
    expect(JSON.parse(stdout)).toMatchObject([{ audiences: ["account"] }]);

    const plain = { issuer: realm.issuer, subject: environment.SUBJECT, audiences: null };
    expect((await berth.api("POST", federation, [plain])).body).toMatchObject([{ audiences: null }]);
  });

  it("answers Quay's script", async () => {
    await follow(["The client instead of the audience"]);
    const [script = ""] = await codeBlocks(page, "Exchange it", "python");
    const { stdout } = await run(pathOf("python3-requests"), ["-"], {
      environment: { ...environment, TOKEN: await accessToken() },
      input: script,
    });
    expect(JSON.parse(stdout)).toMatchObject({ token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/), robot });
  });

  it("refuses another user's token", async () => {
    await follow(["The client instead of the audience"]);
    const subject = await realm.createUser("somebody-else", "a & b");
    const { status, body } = await berth.exchange(robot, await accessToken({ KEYCLOAK_USER: "somebody-else" }));
    expect({ status, code: body.code }).toEqual({ status: 400, code: "subject_mismatch" });
    expect(body.message).toContain(subject);
  });

  it("opens the registry for an hour, and only what is granted", async () => {
    await follow(["The client instead of the audience"]);
    const token = (await robotToken()).stdout.trim();
    const client = (heading: string[], more: string) => follow(heading, more, { ROBOT_TOKEN: token });
    const { stdout } = await client(
      ["Log in"],
      `cd ${directory} && echo hello > hello && tar -c hello | podman import --quiet - $REGISTRY/fed_test/app:1
       podman tag $REGISTRY/fed_test/app:1 $REGISTRY/fed_test/other:1
       podman push --quiet $REGISTRY/fed_test/app:1
       podman rmi $REGISTRY/fed_test/app:1
       podman pull --quiet $REGISTRY/fed_test/app:1`,
    );
    expect(stdout).toContain("Login Succeeded!");
    expect(registry.hasRepository("fed_test/app")).toBe(true);

    const push: Output = await client([], "podman push --quiet $REGISTRY/fed_test/other:1").catch((error) => error);
    expect(push.stderr).toMatch(/denied|unauthorized/);
    const pull: Output = await client([], "podman pull --quiet $REGISTRY/fed_test/secret:1").catch((error) => error);
    expect(pull.stderr).toMatch(/denied|unauthorized/);
    expect(registry.hasRepository("fed_test/other")).toBe(false);

    await later(3601, async () => {
      const login: Output = await client(["Log in"], "").catch((error) => error);
      expect(login.stderr).toContain("invalid username/password");
      const { body } = await berth.api("GET", "/organization/fed_test/logs?kind=registry_token&limit=1");
      expect(body.logs).toMatchObject([{ robot, outcome: "refused", code: "credential_expired" }]);
    });
  });

  it("refuses an access token that expired", async () => {
    await follow(["The client instead of the audience"]);
    const token = await accessToken();
    const { exp, iat } = claimsOf(token);
    expect(Number(exp) - Number(iat)).toBe(300);
    await later(300 + 31, async () => {
      const { status, body } = await berth.exchange(robot, token);
      expect({ status, code: body.code }).toEqual({ status: 400, code: "expired" });
    });
  });

  it("serves from kept keys while Keycloak is down, and without them says when to come again", async () => {
    await realm.change({ accessTokenLifespan: 3600 });
    await follow(["The client instead of the audience"]);
    const token = await accessToken();
    expect((await berth.exchange(robot, token)).status).toBe(200);

    await keycloak.stop();
    expect((await berth.exchange(robot, token)).status).toBe(200);
    await later(1800, async () => expect((await berth.exchange(robot, token)).status).toBe(200));

    await berth.stop();
    berth = await start();
    const { status, headers, body } = await berth.exchange(robot, token);
    expect({ status, code: body.code }).toEqual({ status: 503, code: "issuer_unreachable" });
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
  });

  /** Does something at a later time of Berth's. */
  async function later<T>(seconds: number, act: () => Promise<T>): Promise<T> {
    berth.clock.advance(seconds);
    try {
      return await act();
    } finally {
      berth.clock.advance(-seconds);
    }
  }
});

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

/** Credentials and images of podman's own, and plain http to one registry. */
async function podmanEnvironment(directory: string, registry: string): Promise<Record<string, string>> {
  const inDirectory = (name: string) => join(directory, name);
  await mkdir(inDirectory("home"));
  await writeFile(
    inDirectory("storage.conf"),
    `[storage]\ndriver = "vfs"\ngraphroot = "${inDirectory("storage")}"\nrunroot = "${inDirectory("run")}"\n`,
  );
  await writeFile(inDirectory("registries.conf"), `[[registry]]\nlocation = "${registry}"\ninsecure = true\n`);
  return {
    HOME: inDirectory("home"),
    XDG_RUNTIME_DIR: inDirectory("home"),
    REGISTRY_AUTH_FILE: inDirectory("auth.json"),
    CONTAINERS_STORAGE_CONF: inDirectory("storage.conf"),
    CONTAINERS_REGISTRIES_CONF: inDirectory("registries.conf"),
  };
}
