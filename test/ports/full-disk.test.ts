import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { backup } from "../../src/ports/node/backup/backup.ts";
import { makeSecretKey, runBerth } from "../support/backup.ts";
import { type ApiAnswer, startBerth, type TestBerth } from "../support/berth.ts";
import { startIssuer, subject, type TestIssuer } from "../support/issuer.ts";
import { startPostgres } from "../support/postgres.ts";
import { describeWith } from "../support/requirements.ts";
import { mountSmallDisk, type SmallDisk } from "../support/small-disk.ts";

const BERTH_SECRET_KEY = makeSecretKey();

function expectUnavailable({ status, headers, body }: ApiAnswer): void {
  expect(body).toMatchObject({ code: "unavailable" });
  expect(status).toBe(503);
  expect(headers.get("retry-after")).toBe("1");
}

describeWith(["mount"], "a full disk", () => {
  let disk: SmallDisk;
  let issuer: TestIssuer;

  beforeAll(async () => {
    disk = mountSmallDisk(400);
    issuer = await startIssuer();
  });

  afterAll(async () => {
    await issuer.close();
    disk.remove();
  });

  const put = (berth: TestBerth, robot: string) =>
    berth.api("PUT", `/organization/acme/robots/${robot}`, { description: randomBytes(100).toString("hex") });

  async function expectOutlasted(berth: TestBerth): Promise<void> {
    const made: string[] = [];
    let refused: ApiAnswer | undefined;
    for (let count = 0; refused === undefined && count < 2000; count += 1) {
      const answer = await put(berth, `r${count}`);
      if (answer.status === 201) made.push(`acme+r${count}`);
      else refused = answer;
    }
    expectUnavailable(refused as ApiAnswer);
    expect((await berth.api("GET", "/organization/acme")).status).toBe(200);
    expect(berth.log.some((line) => line.includes('"the database is not available"') && line.includes("53100"))).toBe(
      true,
    );
    disk.makeRoom();
    expect((await put(berth, "later")).status).toBe(201);
    expect((await berth.exchange("acme+ci", await issuer.sign(berth.url))).status).toBe(200);
    const { robots } = (await berth.api("GET", "/organization/acme/robots")).body;
    const names = robots.map(({ name }: { name: string }) => name).toSorted();
    expect(names).toEqual(["acme+ci", "acme+later", ...made].toSorted());
  }

  const federation = () => [{ issuer: issuer.url, subject }];

  it("under the embedded database is told, loses nothing, and is over when there is room", async () => {
    const berth = await startBerth({ dataDir: join(disk.path, "data"), environment: { BERTH_SECRET_KEY } });
    await berth.createRobot("acme+ci", { federation: federation() });
    disk.fill();
    expectUnavailable(await berth.exchange("acme+ci", await issuer.sign(berth.url)));
    await expectOutlasted(berth);
    disk.fill();
    await berth.stop();
    const environment = { DATA_DIR: join(disk.path, "data"), BERTH_SECRET_KEY };
    const refused = await runBerth({ ...environment, BERTH_ADMIN_TOKEN: berth.adminToken }, "serve");
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/disk of .* is full: .* Make room/) });
    disk.makeRoom();
  });

  it("that a backup is written to has none of it", async () => {
    const environment = { DATA_DIR: join(disk.path, "data"), BERTH_SECRET_KEY };
    const target = mountSmallDisk(1);
    const path = join(target.path, "backup");
    target.fill(4096);
    const refused = await runBerth(environment, "backup", path);
    expect(refused.stderr).toMatch(/^Nothing is backed up\.\n- ENOSPC: no space/);
    expect(refused.code).toBe(1);
    expect([existsSync(path), existsSync(`${path}.unfinished`)]).toEqual([false, false]);
    target.makeRoom();
    expect(await backup(path, environment, "0.0.0", () => {})).toBeGreaterThan(0);
    target.remove();
  });

  it("under PostgreSQL is told, loses nothing, and is over when there is room", async () => {
    const database = await startPostgres(disk.path);
    const environment = { DATABASE_URL: await database.createDatabase("berth"), BERTH_SECRET_KEY };
    const berth = await startBerth({ environment });
    await berth.createRobot("acme+ci", { federation: federation() });
    disk.fill();
    await expectOutlasted(berth);
    await berth.remove();
    await database.remove();
  });
});
