import { uuidv7 } from "uuidv7";
import { beforeAll, expect, it } from "vitest";
import { listAnonymousPulls, listAnonymousPullsOf, replaceAnonymousPulls } from "../../src/store/anonymous-pulls.ts";
import type { Db } from "../../src/store/db.ts";
import { insertOrganization, listPossibleOwners, markOrganizationDeleted } from "../../src/store/organizations.ts";
import { insertRegistry } from "../../src/store/registries.ts";
import { deleteRobot, insertRobot } from "../../src/store/robots.ts";
import {
  deleteExpiredStaticTokens,
  deleteStaticTokens,
  deleteStaticTokensOf,
  expireStaticTokens,
  findStaticToken,
  insertStaticToken,
  listStaticTokens,
} from "../../src/store/static-tokens.ts";
import { describeOnBoth } from "./databases.ts";

const at = new Date("2026-01-02T03:04:05.678Z");
const later = (seconds: number) => new Date(at.getTime() + seconds * 1000);

describeOnBoth("the store, of what robots and anybody may pull with,", (database) => {
  let db: Db;
  beforeAll(() => {
    db = database();
  });

  async function newOrganization(name: string, repositoryPrefixes: string[] = []): Promise<string> {
    const id = uuidv7();
    await insertOrganization(db, { id, name, repositoryPrefixes, createdAt: at });
    return id;
  }

  async function newRobot(organizationId: string, name: string): Promise<string> {
    const id = uuidv7();
    const given = { description: "", unstructuredMetadata: {}, createdAt: at, createdBy: "admin" };
    await insertRobot(db, { id, organizationId, name, ...given });
    return id;
  }

  async function newToken(robotId: string, expiresAt: Date | null = null): Promise<string> {
    const tokenHash = uuidv7();
    await insertStaticToken(db, { id: uuidv7(), robotId, tokenHash, createdAt: at, createdBy: "admin", expiresAt });
    return tokenHash;
  }

  it("finds a static token with whose it is, until robot or organization go", async () => {
    const organizationId = await newOrganization("found");
    const [ci, cd] = [await newRobot(organizationId, "ci"), await newRobot(organizationId, "cd")];
    const [one, other] = [await newToken(ci), await newToken(cd)];
    expect(await findStaticToken(db, one)).toMatchObject({
      token: { tokenHash: one, expiresAt: null },
      robot: { id: ci, name: "ci" },
      organization: { name: "found", robotTokens: "on_request" },
    });
    expect(await findStaticToken(db, "unknown")).toBeUndefined();
    await deleteRobot(db, ci);
    expect(await findStaticToken(db, one)).toBeUndefined();
    await markOrganizationDeleted(db, organizationId, at);
    expect(await findStaticToken(db, other)).toBeUndefined();
  });

  it("ends a robot's tokens now, or by a time that lengthens none", async () => {
    const organizationId = await newOrganization("ending");
    const [ci, cd] = [await newRobot(organizationId, "ci"), await newRobot(organizationId, "cd")];
    await newToken(ci);
    await newToken(ci, later(10));
    await newToken(ci, later(100));
    await newToken(cd);
    await expireStaticTokens(db, ci, later(60));
    expect((await listStaticTokens(db, ci)).map(({ expiresAt }) => expiresAt)).toEqual([
      later(60),
      later(10),
      later(60),
    ]);
    expect(await deleteStaticTokens(db, ci)).toBe(3);
    expect(await deleteStaticTokens(db, ci)).toBe(0);
    expect((await listStaticTokens(db, cd)).map(({ expiresAt }) => expiresAt)).toEqual([null]);
  });

  it("ends those of an organization, and forgets those that have expired", async () => {
    const [ours, theirs] = [await newOrganization("ours"), await newOrganization("theirs")];
    const [a, b, c] = [await newRobot(ours, "aa"), await newRobot(ours, "bb"), await newRobot(theirs, "cc")];
    for (const robot of [a, b, c]) await newToken(robot);
    const past = await newToken(c, later(-1));
    const future = await newToken(c, later(1));
    await deleteStaticTokensOf(db, ours);
    expect([...(await listStaticTokens(db, a)), ...(await listStaticTokens(db, b))]).toEqual([]);
    await deleteExpiredStaticTokens(db, at);
    expect(await findStaticToken(db, past)).toBeUndefined();
    expect(await findStaticToken(db, future)).toBeDefined();
    expect(await listStaticTokens(db, c)).toHaveLength(2);
  });

  it("tells of patterns which ones any live organization opened on a registry", async () => {
    const [one, two] = [await newOrganization("open-1"), await newOrganization("open-2")];
    const [here, there] = [uuidv7(), uuidv7()];
    await insertRegistry(db, { id: here, service: "here.example", createdAt: at });
    await insertRegistry(db, { id: there, service: "there.example", createdAt: at });
    const pull = (organizationId: string, registryId: string, pattern: string, position = 0) => ({
      organizationId,
      registryId,
      pattern,
      position,
    });
    await replaceAnonymousPulls(db, one, [pull(one, here, "open-1/b", 0), pull(one, there, "open-1/a", 1)]);
    await replaceAnonymousPulls(db, two, [pull(two, here, "open-1/b"), pull(two, here, "open-2/*", 1)]);
    expect(await listAnonymousPulls(db, here, ["open-1/b", "open-1/*", "open-1/a"])).toEqual(["open-1/b"]);
    expect(await listAnonymousPulls(db, there, ["open-1/b", "open-1/a"])).toEqual(["open-1/a"]);
    expect(await listAnonymousPulls(db, here, [])).toEqual([]);
    expect((await listAnonymousPullsOf(db, [one])).map(({ registry, pattern }) => [registry, pattern])).toEqual([
      ["here.example", "open-1/b"],
      ["there.example", "open-1/a"],
    ]);
    expect(await listAnonymousPullsOf(db, [])).toEqual([]);

    await markOrganizationDeleted(db, two, at);
    expect(await listAnonymousPulls(db, here, ["open-2/*", "open-1/b"])).toEqual(["open-1/b"]);
    await replaceAnonymousPulls(db, one, []);
    expect(await listAnonymousPulls(db, here, ["open-1/b"])).toEqual([]);
  });

  it("finds who may own a repository, by name and by prefix", async () => {
    await newOrganization("owner", ["shared/team", "old/"]);
    await newOrganization("shared", ["x/*"]);
    const owners = async (repository: string) => (await listPossibleOwners(db, repository)).map(({ name }) => name);
    expect(await owners("owner/app")).toEqual(["owner"]);
    expect((await owners("shared/team/app")).toSorted()).toEqual(["owner", "shared"]);
    expect(await owners("shared/teams")).toEqual(["shared"]);
    expect(await owners("old/app")).toEqual(["owner"]);
    expect(await owners("x/app")).toEqual(["shared"]);
    expect(await owners("nobody/x/app")).toEqual([]);
  });
});
