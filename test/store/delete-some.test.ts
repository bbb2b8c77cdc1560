import { expect, it } from "vitest";
import { deleteRevokedTokens, insertRevokedToken, isRevoked } from "../../src/store/revoked-tokens.ts";
import { describeOnBoth } from "./databases.ts";

const at = (second: number) => new Date(1_800_000_000_000 + second * 1000);

describeOnBoth("what has ended", (database) => {
  it("is forgotten bit by bit, and what has not stays", async () => {
    const db = database();
    for (let second = 0; second < 12; second += 1) {
      await insertRevokedToken(db, { jti: `jti-${second}`, expiresAt: at(second) });
    }
    const deleted: number[] = [];
    for (let time = 0; time < 4; time += 1) deleted.push(await deleteRevokedTokens(db, at(11), 5));
    expect(deleted).toEqual([5, 5, 1, 0]);
    expect(await isRevoked(db, "jti-0")).toBe(false);
    expect(await isRevoked(db, "jti-11")).toBe(true);
  });
});
