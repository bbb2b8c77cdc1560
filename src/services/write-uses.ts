import type { Deps } from "../deps.ts";
import { formatScope } from "../domain/scope.ts";
import { addBindingUse, noteIssued, type Uses } from "../domain/uses.ts";
import { limits } from "../limits.ts";
import { addBindingUses } from "../store/bindings.ts";
import { addRepositoryUses } from "../store/repository-uses.ts";
import { touchRobots } from "../store/robots.ts";
import { countUses } from "./count-uses.ts";

type WriteDeps = Pick<Deps, "uses" | "db" | "clock" | "limiter">;

const underway = new WeakMap<Uses, Promise<void>>();

/** Writes down what tokens were issued by and for. What could not be written now is noted still. */
export async function writeUses(deps: WriteDeps): Promise<void> {
  const { uses } = deps;
  const before = underway.get(uses);
  const writing = (before ?? Promise.resolve()).catch(() => {}).then(() => write(deps));
  underway.set(uses, writing);
  await writing.finally(() => {
    if (underway.get(uses) === writing) underway.delete(uses);
  });
}

async function write(deps: WriteDeps): Promise<void> {
  const { uses, db, clock } = deps;
  if (uses.issued.size === 0 && uses.robots.size === 0 && uses.bindings.size === 0) return;
  const issued = [...uses.issued.values()];
  const robots = new Map(uses.robots);
  const bindings = new Map(uses.bindings);
  for (const noted of [uses.issued, uses.robots, uses.bindings]) noted.clear();
  try {
    const repositories = await countUses(deps, issued);
    const written = await db.transaction(async (tx) => {
      await addRepositoryUses(tx, repositories);
      const touched = await touchRobots(tx, robots);
      return { touched, counted: await addBindingUses(tx, bindings) };
    });
    for (const id of written.touched) robots.delete(id);
    for (const id of written.counted) bindings.delete(id);
  } catch (error) {
    for (const use of issued) noteIssued(uses, use.access.map(formatScope).join(" "), use);
    for (const [id, use] of bindings) addBindingUse(uses, id, use);
    bindings.clear();
    throw error;
  } finally {
    // Somebody held them; or they are gone, and are given up.
    const oldest = clock.now() - limits.uses.touchSeconds * 1000;
    for (const [id, at] of robots) {
      if (at.getTime() > oldest && !uses.robots.has(id)) uses.robots.set(id, at);
    }
    for (const [id, use] of bindings) {
      if (use.lastUsed.getTime() > oldest) addBindingUse(uses, id, use);
    }
  }
}
