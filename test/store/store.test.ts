import { sql } from "drizzle-orm";
import { uuidv7 } from "uuidv7";
import { beforeAll, expect, it } from "vitest";
import type { BindingRow } from "../../src/store/bindings.ts";
import { addBindingUses, deleteBindings, insertBinding, listBindings } from "../../src/store/bindings.ts";
import { type Db, isUnavailable, isUniqueViolation } from "../../src/store/db.ts";
import { listGrants, listGrantsOn, replaceGrants } from "../../src/store/grants.ts";
import { openIssuer } from "../../src/store/issuers.ts";
import {
  findOrganization,
  insertOrganization,
  listOrganizations,
  markOrganizationDeleted,
  updateOrganization,
} from "../../src/store/organizations.ts";
import { findApiToken, hasApiToken, insertPrincipal, putApiToken } from "../../src/store/principals.ts";
import { findDefaultRegistry, insertRegistry } from "../../src/store/registries.ts";
import { deleteRobot, findRobot, insertRobot, listRobots, touchRobots, updateRobot } from "../../src/store/robots.ts";
import { insertSigningKey, listSigningKeys, updateSigningKey } from "../../src/store/signing-keys.ts";
import { describeOnBoth } from "./databases.ts";

const at = new Date("2026-01-02T03:04:05.678Z");

describeOnBoth("the store", (database) => {
  let db: Db;
  const organizationId = uuidv7();
  const registryId = uuidv7();

  beforeAll(async () => {
    db = database();
    await insertOrganization(db, { id: organizationId, name: "acme", createdAt: at });
    await insertRegistry(db, { id: registryId, service: "registry.example", isDefault: true, createdAt: at });
  });

  async function newRobot(name: string): Promise<string> {
    const id = uuidv7();
    const robot = {
      id,
      organizationId,
      name,
      description: "",
      unstructuredMetadata: {},
      createdAt: at,
      createdBy: "admin",
    };
    await insertRobot(db, robot);
    return id;
  }

  async function newBinding(robotId: string, change: Partial<BindingRow> = {}): Promise<BindingRow> {
    const issuerId =
      (await openIssuer(db, { id: uuidv7(), issuer: "https://issuer.example", createdAt: at }))?.id ?? "";
    const binding: BindingRow = {
      id: uuidv7(),
      robotId,
      issuerId,
      position: 0,
      version: 1,
      subject: "a",
      mode: "enforce",
      createdAt: at,
      ...change,
    };
    await insertBinding(db, binding);
    return binding;
  }

  it("keeps an organization, its settings, and its name when it is deleted", async () => {
    const id = uuidv7();
    await insertOrganization(db, { id, name: "gone", createdAt: at });
    await updateOrganization(db, id, { audiences: ["a", "b"], clients: [], email: "a@b.example" });
    expect(await findOrganization(db, "gone")).toMatchObject({ audiences: ["a", "b"], clients: [], createdAt: at });
    await markOrganizationDeleted(db, id, at);
    expect(await findOrganization(db, "gone")).toBeUndefined();
    expect((await listOrganizations(db, { after: "", within: undefined }, 10)).map(({ name }) => name)).toEqual([
      "acme",
    ]);
    const again = insertOrganization(db, { id: uuidv7(), name: "gone", createdAt: at });
    expect(isUniqueViolation(await again.catch((error) => error))).toBe(true);
  });

  it("keeps a robot and pages robots by name", async () => {
    for (const name of ["list-c", "list-a", "list-b"]) await newRobot(name);
    const page = await listRobots(db, organizationId, "list-a", 1);
    expect(page.map(({ name }) => name)).toEqual(["list-b"]);
    const found = await findRobot(db, { organization: "acme", robot: "list-a" });
    expect(found?.organization.id).toBe(organizationId);
    await updateRobot(db, found?.robot.id ?? "", { unstructuredMetadata: { a: [1, { b: "ü" }] }, disabled: true });
    expect((await findRobot(db, { organization: "acme", robot: "list-a" }))?.robot).toMatchObject({
      unstructuredMetadata: { a: [1, { b: "ü" }] },
      disabled: true,
    });
  });

  it("notes a robot's latest use, one by one or many at once", async () => {
    const id = await newRobot("touched");
    const other = await newRobot("touched-too");
    const later = (seconds: number) => new Date(at.getTime() + seconds * 1000);
    const lastAccessed = async () =>
      (await findRobot(db, { organization: "acme", robot: "touched" }))?.robot.lastAccessed;
    await touchRobots(db, new Map([[id, at]]));
    await touchRobots(db, new Map([[id, later(-1)]]));
    expect(await lastAccessed()).toEqual(at);
    const seen = new Map([id, other, uuidv7()].map((one) => [one, later(2)]));
    expect((await touchRobots(db, seen)).toSorted()).toEqual([id, other].toSorted());
    expect(await lastAccessed()).toEqual(later(2));
    await touchRobots(db, new Map([[id, later(1)]]));
    expect(await lastAccessed()).toEqual(later(2));
  });

  it("keeps bindings in order, with all their terms, and counts their uses", async () => {
    const robotId = await newRobot("bound");
    const claims = { repository_id: { in: ["1", 2, true] }, ref: { prefix: "refs/heads/" } } as const;
    const second = await newBinding(robotId, {
      position: 1,
      subject: "b",
      claims,
      audiences: [],
      clients: ["c"],
      expiresAt: at,
    });
    const first = await newBinding(robotId, { position: 0 });
    const bindings = await listBindings(db, robotId);
    expect(bindings.map(({ id }) => id)).toEqual([first.id, second.id]);
    expect(bindings[1]).toMatchObject({
      issuer: "https://issuer.example",
      issuerDisabled: false,
      claims,
      audiences: [],
      clients: ["c"],
      expiresAt: Math.floor(at.getTime() / 1000),
    });

    const [used] = bindings;
    if (!used) throw new Error("no binding");
    const uses = new Map([
      [used.id, { count: 2, lastUsed: at }],
      [uuidv7(), { count: 1, lastUsed: at }],
    ]);
    expect(await db.transaction((tx) => addBindingUses(tx, uses))).toEqual([used.id]);
    const earlier = new Map([[used.id, { count: 1, lastUsed: new Date(0) }]]);
    await db.transaction((tx) => addBindingUses(tx, earlier));
    expect((await listBindings(db, robotId))[0]).toMatchObject({ useCount: 3, lastUsed: at });
    await deleteBindings(db, [used.id]);
    expect((await listBindings(db, robotId)).map(({ id }) => id)).toEqual([second.id]);
  });

  it("makes one issuer of one string, however many bind it", async () => {
    const issuer = "https://shared.example";
    const ids = await Promise.all(
      Array.from({ length: 8 }, () => openIssuer(db, { id: uuidv7(), issuer, createdAt: at })),
    );
    expect(new Set(ids.map((opened) => opened?.id)).size).toBe(1);
  });

  it("replaces grants, and takes them along when their robot goes", async () => {
    const robotId = await newRobot("granted");
    const grant = { robotId, registryId, type: "repository" as const };
    await replaceGrants(db, robotId, [
      { ...grant, id: uuidv7(), position: 0, pattern: "acme/*", actions: ["pull"] },
      { ...grant, id: uuidv7(), position: 1, pattern: "acme/a", actions: ["pull", "push"] },
    ]);
    await replaceGrants(db, robotId, [
      { ...grant, id: uuidv7(), position: 0, pattern: "acme/b", actions: ["pull", "push", "delete"] },
    ]);
    const [stored, ...others] = await listGrants(db, robotId);
    expect(others).toEqual([]);
    expect(stored).toMatchObject({
      registry: "registry.example",
      pattern: "acme/b",
      actions: ["pull", "push", "delete"],
    });
    expect(await listGrantsOn(db, robotId, uuidv7())).toEqual([]);
    await deleteRobot(db, robotId);
    expect(await listGrantsOn(db, robotId, registryId)).toEqual([]);
  });

  it("has one default registry", async () => {
    expect((await findDefaultRegistry(db))?.id).toBe(registryId);
    const another = insertRegistry(db, { id: uuidv7(), service: "b.example", isDefault: true, createdAt: at });
    expect(isUniqueViolation(await another.catch((error) => error))).toBe(true);
  });

  it("has one active key of a purpose", async () => {
    const key = {
      purpose: "registry_token" as const,
      registryId,
      status: "active" as const,
      kid: "k",
      publicJwk: { kty: "EC" },
      sealedPrivateKey: "s",
      certificate: null,
      notAfter: null,
      profile: "x5c" as const,
      createdAt: at,
      activatedAt: at,
      retiredAt: null,
    };
    const id = uuidv7();
    await insertSigningKey(db, { ...key, id });
    const another = insertSigningKey(db, { ...key, id: uuidv7() });
    expect(isUniqueViolation(await another.catch((error) => error))).toBe(true);
    await updateSigningKey(db, id, { status: "retired" });
    await insertSigningKey(db, { ...key, id: uuidv7() });
    expect((await listSigningKeys(db)).map(({ status }) => status)).toEqual(["retired", "active"]);
  });

  it("knows a principal by the hash of its token, and forgets the token that was replaced", async () => {
    const principal = { id: uuidv7(), name: "admin", superUser: true, createdAt: at };
    const token = {
      id: uuidv7(),
      principalId: principal.id,
      name: "bootstrap",
      tokenHash: "one",
      createdAt: at,
      createdBy: "",
    };
    expect(await hasApiToken(db)).toBe(false);
    await insertPrincipal(db, principal);
    await putApiToken(db, token);
    await putApiToken(db, { ...token, id: uuidv7(), tokenHash: "two" });
    expect(await findApiToken(db, "one")).toBeUndefined();
    expect((await findApiToken(db, "two"))?.principal).toMatchObject(principal);
    expect(await hasApiToken(db)).toBe(true);
  });

  it("takes a change whole or not at all", async () => {
    const robotId = await newRobot("transaction");
    const failing = db.transaction(async (tx) => {
      await updateRobot(tx, robotId, { description: "half" });
      await tx.execute(sql`select 1 / 0`);
    });
    const error = await failing.catch((caught) => caught);
    expect(error).toBeInstanceOf(Error);
    expect(isUnavailable(error)).toBe(false);
    expect((await findRobot(db, { organization: "acme", robot: "transaction" }))?.robot.description).toBe("");
  });
});
