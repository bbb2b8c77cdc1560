import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { redocly, writeDescription } from "../support/redocly.ts";
import { run } from "../support/run.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const program = "journey.ts";

describe("a client that is generated from the API's description", () => {
  let berth: TestBerth;
  let issuer: TestIssuer;
  let directory: string;

  beforeAll(async () => {
    [berth, issuer, directory] = await Promise.all([
      startBerth(),
      startIssuer(),
      mkdtemp(join(tmpdir(), "berth-client-")),
    ]);
    await writeDescription(directory, berth.url);
    await redocly(directory, "generate-client", "--output", join(directory, "berth.ts"), "--import-ext", "ts");
    await Promise.all([
      copyFile(join(root, "test", "client", program), join(directory, program)),
      writeFile(join(directory, "package.json"), JSON.stringify({ type: "module" })),
      writeFile(
        join(directory, "tsconfig.json"),
        JSON.stringify({
          extends: join(root, "tsconfig.json"),
          compilerOptions: { typeRoots: [join(root, "node_modules", "@types")] },
          include: ["*.ts"],
        }),
      ),
    ]);
  });

  afterAll(async () => {
    await Promise.all([berth.remove(), issuer.close(), rm(directory, { recursive: true, force: true })]);
  });

  it("type-checks with a program that uses it, and keeps mistakes from being written", async () => {
    expect((await run(process.execPath, [tsc, "--project", directory])).stdout).toBe("");
  });

  it("leads from an organization to a robot token, and back to it in the audit log", async () => {
    const { stdout } = await run(process.execPath, [join(directory, program)], {
      environment: {
        BERTH_URL: berth.url,
        API_TOKEN: berth.adminToken,
        ISSUER: issuer.url,
        SUBJECT: subject,
        OIDC_TOKEN: await issuer.sign(berth.url, { ref: "refs/heads/main" }),
      },
    });
    expect(JSON.parse(stdout)).toEqual({
      organization: "acme",
      email: null,
      conditions: ["ref = refs/heads/main"],
      lifetimes: ["600"],
      grants: ["acme/app: pull,push", "catalog"],
      expiresIn: 600,
      performers: [[null, "granted"]],
      refused: "precondition_failed",
    });
  });
});
