import type { Deps } from "../deps.ts";
import { addUse } from "../domain/uses.ts";
import { limits } from "../limits.ts";
import { addRepositoryUses } from "../store/repository-uses.ts";
import { touchRobots } from "../store/robots.ts";

/** Writes down what registry tokens were issued for. What could not be written now is noted still. */
export async function writeUses({ uses, db, clock }: Pick<Deps, "uses" | "db" | "clock">): Promise<void> {
  if (uses.repositories.size === 0 && uses.robots.size === 0) return;
  const repositories = [...uses.repositories.values()];
  const robots = new Map(uses.robots);
  uses.repositories.clear();
  uses.robots.clear();
  try {
    const touched = await db.transaction(async (tx) => {
      await addRepositoryUses(tx, repositories);
      return touchRobots(tx, [...robots.keys()], new Date(clock.now()));
    });
    for (const id of touched) robots.delete(id);
  } catch (error) {
    for (const use of repositories) addUse(uses, use);
    throw error;
  } finally {
    // Somebody held them; or they are gone, and are given up.
    const oldest = clock.now() - limits.uses.touchSeconds * 1000;
    for (const [id, at] of robots) {
      if (at.getTime() > oldest && !uses.robots.has(id)) uses.robots.set(id, at);
    }
  }
}
