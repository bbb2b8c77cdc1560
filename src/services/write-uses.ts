import type { Deps } from "../deps.ts";
import { formatScope } from "../domain/scope.ts";
import { addBindingUse, type IssuedUse, noteIssued, type Uses } from "../domain/uses.ts";
import { limits } from "../limits.ts";
import { addBindingUses } from "../store/bindings.ts";
import { throwUnreachable } from "../store/db.ts";
import { addRepositoryUses } from "../store/repository-uses.ts";
import { touchRobots } from "../store/robots.ts";
import { countUses } from "./count-uses.ts";

type WriteDeps = Pick<Deps, "uses" | "db" | "clock" | "limiter">;

const underway = new WeakMap<Uses, Promise<void>>();

/**
 * Writes down what tokens were issued by and for. What could not be written now is noted still.
 *
 * @throws what the database did; that it is unreachable as soon as that is known
 */
export async function writeUses(deps: WriteDeps): Promise<void> {
  const { uses } = deps;
  const before = underway.get(uses) ?? Promise.resolve();
  const writing = before.catch(throwUnreachable).then(() => write(deps));
  underway.set(uses, writing);
  await writing.finally(() => {
    if (underway.get(uses) === writing) underway.delete(uses);
  });
}

async function write(deps: WriteDeps): Promise<void> {
  await writeIssued(deps);
  await writeSeen(deps);
}

/** Some at a time: requests are answered in between, and a statement holds few rows. */
async function writeIssued(deps: WriteDeps): Promise<void> {
  const { uses, db } = deps;
  const issued = [...uses.issued.values()];
  uses.issued.clear();
  let written = 0;
  try {
    while (written < issued.length) {
      const some: IssuedUse[] = issued.slice(written, written + limits.uses.writtenAtOnce);
      await addRepositoryUses(db, await countUses(deps, some));
      written += some.length;
    }
  } catch (error) {
    for (const use of issued.slice(written)) noteIssued(uses, use.access.map(formatScope).join(" "), use);
    throw error;
  }
}

/** What one statement may name; the others are written the next time. */
function takeSome<V>(noted: Map<string, V>): Map<string, V> {
  const taken = new Map([...noted].slice(0, limits.uses.seenAtOnce));
  for (const key of taken.keys()) noted.delete(key);
  return taken;
}

async function writeSeen({ uses, db, clock }: WriteDeps): Promise<void> {
  const robots = takeSome(uses.robots);
  const bindings = takeSome(uses.bindings);
  if (robots.size === 0 && bindings.size === 0) return;
  // Those that somebody holds are noted still, unless they are gone, which is found out by how long that takes.
  let oldest = Number.NEGATIVE_INFINITY;
  try {
    const written = await db.transaction(async (tx) => ({
      touched: await touchRobots(tx, robots),
      counted: await addBindingUses(tx, bindings),
    }));
    for (const id of written.touched) robots.delete(id);
    for (const id of written.counted) bindings.delete(id);
    oldest = clock.now() - limits.uses.touchSeconds * 1000;
  } finally {
    for (const [id, at] of robots) {
      if (at.getTime() > oldest && !uses.robots.has(id)) uses.robots.set(id, at);
    }
    for (const [id, use] of bindings) {
      if (use.lastUsed.getTime() > oldest) addBindingUse(uses, id, use);
    }
  }
}
