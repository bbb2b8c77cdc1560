import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { describeWith } from "../support/requirements.ts";
import { buildWorker, startWorker, type TestWorker } from "../support/worker.ts";
import { type Block, blocksOf, runShell } from "./shell.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = new URL("../../docs/deploy-workers.md", import.meta.url);
/** They need an account, or never end. */
const ELSEWHERE = [/wrangler (login|hyperdrive create)/, /^npx wrangler deploy\n/, /wrangler dev/, /readyz$/m];

describeWith(["curl", "jq", "openssl"], "docs/deploy-workers.md by hand", () => {
  let directory: string;
  let database: TestPostgres;
  let issuer: TestIssuer;
  let worker: TestWorker | undefined;
  let blocks: readonly Block[];
  let settings: Record<string, string>;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "berth-workers-page-"));
    for (const name of ["src", "drizzle", "node_modules", "package.json"]) {
      await symlink(join(root, name), join(directory, name));
    }
    await cp(join(root, "wrangler.toml"), join(directory, "wrangler.toml"));
    [database, issuer, blocks] = await Promise.all([startPostgres(), startIssuer(), blocksOf(page, "sh")]);
    settings = {
      PUBLIC_URL: `http://127.0.0.1:${await freePort()}`,
      DATABASE_URL: await database.createDatabase("berth"),
      BERTH_SECRET_KEY: randomBytes(32).toString("base64"),
      BERTH_ADMIN_TOKEN: randomBytes(32).toString("base64"),
      WRANGLER_SEND_METRICS: "false",
      CLOUDFLARE_CF_FETCH_ENABLED: "false",
    };
  });

  afterAll(async () => {
    await worker?.stop();
    await Promise.all([database.remove(), issuer.close()]);
    await rm(directory, { recursive: true, force: true });
  });

  const under = (heading: string) => blocks.filter((block) => block.heading === heading).map(({ code }) => code);
  const follow = (code = "exit 1", more: Record<string, string> = {}) =>
    runShell(code, directory, { ...settings, ...more });

  it("makes its secrets as the service takes them", async () => {
    const [code = ""] = under("1. The settings");
    const made = await follow(`${code.replace("npm ci\n", "")}\necho $BERTH_SECRET_KEY $BERTH_ADMIN_TOKEN`);
    expect(made).toMatch(/^[\w+/]{43}= [\w+/]{43}=\n$/);
  });

  it("prepares the database", async () => {
    const [code] = under("2. The database");
    await follow(code);
    await follow(code);
  });

  it("asks wrangler for what it knows", async () => {
    const wrangler = join(root, "node_modules", "wrangler", "bin", "wrangler.js");
    const help = async (...command: string[]) =>
      (await promisify(execFile)(process.execPath, [wrangler, ...command, "--help"], { cwd: directory })).stdout;
    const [all, create, put] = await Promise.all([help(), help("hyperdrive", "create"), help("secret", "put")]);
    for (const command of ["login", "tail", "rollback"]) expect(all).toContain(`wrangler ${command}`);
    for (const option of ["--caching-disabled", "--connection-string"]) expect(create).toContain(option);
    expect(put).toContain("wrangler secret put <key>");
  });

  it("writes the address and the id of Hyperdrive where a deployment reads them", async () => {
    const [, code = ""] = under("3. Hyperdrive");
    await follow(code.replace("HYPERDRIVE_ID=…", `HYPERDRIVE_ID=${"a".repeat(32)}`), {
      PUBLIC_URL: "https://berth.example",
    });
    const written = await readFile(join(directory, "wrangler.toml"), "utf8");
    expect(written).toContain(`binding = "HYPERDRIVE"\nid = "${"a".repeat(32)}"`);
    const told = await follow(under("4. The Worker")[0]);
    expect(told).toContain("env.HYPERDRIVE");
    expect(told).toContain("https://berth.example");
    expect(told).toMatch(/gzip: \d+/);
  });

  it("makes a first exchange", async () => {
    worker = await startWorker({
      bundle: await buildWorker(await mkdtemp(join(directory, "bundle-"))),
      databaseUrl: settings.DATABASE_URL ?? "",
      vars: { PUBLIC_URL: settings.PUBLIC_URL ?? "", BERTH_ALLOW_INSECURE_ISSUERS: true },
      secrets: { BERTH_SECRET_KEY: settings.BERTH_SECRET_KEY ?? "" },
    });
    const OIDC_TOKEN = await issuer.sign(settings.PUBLIC_URL ?? "");
    const here = { PUBLIC_URL: worker.url, ISSUER: issuer.url, SUBJECT: subject, OIDC_TOKEN };
    for (const code of under("5. A first exchange")) await follow(code, here);
  });

  it("has no other command but those that need an account or do not end", () => {
    const counts = Object.entries(Object.groupBy(blocks, ({ heading }) => heading));
    expect(counts.map(([heading, found]) => [heading, found?.length])).toEqual([
      ["1. The settings", 1],
      ["2. The database", 1],
      ["3. Hyperdrive", 2],
      ["4. The Worker", 3],
      ["5. A first exchange", 2],
      ["Try it without an account", 1],
    ]);
    expect(blocks.filter(({ code }) => ELSEWHERE.some((one) => one.test(code)))).toHaveLength(4);
  });
});
