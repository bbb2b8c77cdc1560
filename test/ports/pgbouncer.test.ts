import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Environment } from "../../src/environment.ts";
import { makeSecretKey } from "../support/backup.ts";
import { startBerth } from "../support/berth.ts";
import { type Daemon, startDaemon } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { describeWith, pathOf } from "../support/requirements.ts";

// docs/data.md, "PgBouncer".

describeWith(["pgbouncer"], "behind PgBouncer in session mode", () => {
  let directory: string;
  let database: TestPostgres;
  let bouncer: Daemon;
  let issuer: TestIssuer;
  let environment: Environment;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "berth-pgbouncer-"));
    chmodSync(directory, 0o755);
    [database, issuer] = await Promise.all([startPostgres(), startIssuer()]);
    const { username, password, port: behind, pathname } = new URL(await database.createDatabase("berth"));
    const port = await freePort();
    const users = join(directory, "users.txt");
    writeFileSync(users, `"${username}" "${password}"\n`);
    const configuration = join(directory, "pgbouncer.ini");
    writeFileSync(
      configuration,
      `[databases]
berth = host=127.0.0.1 port=${behind}
[pgbouncer]
pool_mode = session
default_pool_size = 30
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${users}
`,
    );
    // It refuses to run as root.
    const asUser = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
    bouncer = await startDaemon(pathOf("pgbouncer"), [...asUser, configuration], port);
    environment = {
      DATABASE_URL: `postgres://${username}:${password}@127.0.0.1:${port}${pathname}`,
      BERTH_SECRET_KEY: makeSecretKey(),
      BERTH_ADMIN_TOKEN: randomBytes(24).toString("base64url"),
    };
  });

  afterAll(async () => {
    await bouncer.stop();
    await Promise.all([database.remove(), issuer.close()]);
    rmSync(directory, { recursive: true });
  });

  it("instances start one after the other and side by side, and a revocation holds at both at once", async () => {
    const first = await startBerth({ environment });
    const second = await startBerth({ environment });
    const federation = [{ issuer: issuer.url, subject }];
    await first.createRobot("acme+ci", { federation });
    const statuses = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const berth = index % 2 ? first : second;
        return (await berth.exchange("acme+ci", await issuer.sign(berth.url))).status;
      }),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect((await first.api("DELETE", "/organization/acme/robots/ci/federation")).status).toBe(204);
    for (const berth of [first, second]) {
      expect((await berth.exchange("acme+ci", await issuer.sign(berth.url))).status).toBe(400);
    }
    await Promise.all([first.remove(), second.remove()]);
  });
});
