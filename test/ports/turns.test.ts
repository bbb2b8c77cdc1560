import { AsyncLocalStorage } from "node:async_hooks";
import { expect, it } from "vitest";
import { atEndOfTurn, beginAtEndOfTurn } from "../../src/ports/node/turns.ts";

it("goes on after all that was to be done in the turn, in the order of who came", async () => {
  const done: string[] = [];
  const ended = ["first", "second"].map((one) =>
    new Promise<void>(atEndOfTurn).then(() => {
      done.push(one);
    }),
  );
  await Promise.resolve();
  done.push("the turn");
  await Promise.all(ended);
  expect(done).toEqual(["the turn", "first", "second"]);
});

it("begins what somebody asked for in the context of whoever asked, not of who came first", async () => {
  const context = new AsyncLocalStorage<string>();
  context.run("another", () => atEndOfTurn(() => {}));
  const found = await context.run(
    "own",
    () => new Promise((resolve) => beginAtEndOfTurn(() => resolve(context.getStore()))),
  );
  expect(found).toBe("own");
});
