import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { dockerConfig, kubernetesSecret, loginCommand } from "../../src/http/api/login-formats.ts";
import { generateOpaqueToken } from "../../src/tokens/opaque-token.ts";
import { run } from "../support/run.ts";

const robot = { organization: "acme", robot: "ci" };
const token = generateOpaqueToken("robot").reveal();
const decode = (base64: string) => Buffer.from(base64, "base64").toString();

describe("the login command, in a real shell", () => {
  let directory: string;
  const said = (name: string) => readFile(join(directory, name), "utf8");

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "berth-login-"));
    // It stands in for the client, and notes what it is given.
    const client = `#!/bin/sh\nprintf '%s\\n' "$@" >${directory}/arguments\ncat >${directory}/input\n`;
    for (const name of ["docker", "podman"]) {
      await writeFile(join(directory, name), client);
      await chmod(join(directory, name), 0o755);
    }
  });

  afterAll(() => rm(directory, { recursive: true }));

  const shell = (command: string) =>
    run("sh", ["-c", command], { environment: { PATH: `${directory}:${process.env.PATH}` } });

  it.each(["docker", "podman"] as const)("gives %s the password on its standard input alone", async (client) => {
    const command = loginCommand(client, { robot, token, host: "registry.example:5000" });
    expect(command.trimEnd()).not.toContain("\n");
    await shell(command);
    expect(await said("arguments")).toBe("login\n--username\nacme+ci\n--password-stdin\nregistry.example:5000\n");
    expect(await said("input")).toBe(token);
  });

  it("hands over any host as it is, whatever a shell would make of it", async () => {
    const part = fc.constantFrom("'", '"', "$(id)", "`id`", "\\", ";", "&", "|", ">x", "*", "~", " ", "é", "a", "''");
    const host = fc.array(part, { minLength: 1, maxLength: 8 }).map((parts) => `h${parts.join("")}`);
    await fc.assert(
      fc.asyncProperty(host, async (name) => {
        await shell(loginCommand("docker", { robot, token, host: name }));
        expect((await said("arguments")).split("\n").slice(4, -1)).toEqual([name]);
      }),
      { numRuns: 25 },
    );
  });
});

describe("a Docker configuration", () => {
  it("has the credential under the registry's host", () => {
    const { auths } = dockerConfig({ robot, token, host: "registry.example" });
    expect(Object.keys(auths)).toEqual(["registry.example"]);
    expect(decode(auths["registry.example"]?.auth ?? "")).toBe(`acme+ci:${token}`);
  });
});

describe("a Kubernetes secret", () => {
  const nameOf = (organization: string, name: string) =>
    parse(kubernetesSecret({ robot: { organization, robot: name }, token, host: "h.example" })).metadata.name;

  it("holds the Docker configuration, as a pull secret does", () => {
    const login = { robot, token, host: "registrý.example" };
    const { data, ...secret } = parse(kubernetesSecret(login));
    expect(secret).toEqual({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "acme--ci" },
      type: "kubernetes.io/dockerconfigjson",
    });
    expect(Object.keys(data)).toEqual([".dockerconfigjson"]);
    expect(JSON.parse(decode(data[".dockerconfigjson"]))).toEqual(dockerConfig(login));
  });

  it("has a legal name for every robot, and no two robots of one name", () => {
    const name = fc.stringMatching(/^[a-z0-9]+(?:[._-][a-z0-9]+){0,3}$/).filter((text) => text.length < 100);
    const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
    fc.assert(
      fc.property(name, name, name, name, (a, b, c, d) => {
        expect(nameOf(a, b)).toMatch(subdomain);
        if (a !== c || b !== d) expect(nameOf(a, b)).not.toBe(nameOf(c, d));
      }),
    );
    expect(nameOf("a_b", "c")).not.toBe(nameOf("a-b", "c"));
    expect(nameOf("a-b", "c")).not.toBe(nameOf("a", "b-c"));
    for (const length of [250, 251, 252, 253, 255]) {
      const long = nameOf("a".repeat(length), "b.c".padEnd(255, "x"));
      expect(long.length).toBeLessThanOrEqual(253);
      expect(long).toMatch(subdomain);
    }
  });
});
