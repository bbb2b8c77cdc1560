import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { createLineWriter } from "../../src/ports/node/line-writer.ts";

it("writes lines together, in their order", async () => {
  const written: string[] = [];
  const write = createLineWriter({ write: (text) => written.push(text) });
  write("a");
  write("b");
  await expect.poll(() => written).toEqual(["a\nb\n"]);
  write("c");
  await expect.poll(() => written).toEqual(["a\nb\n", "c\n"]);
});

it.each(["", "process.exit(0);", "throw new Error('x');"])("loses none as the process ends (%j)", async (ending) => {
  const module = new URL("../../src/ports/node/line-writer.ts", import.meta.url).href;
  const script = `import { createLineWriter } from ${JSON.stringify(module)};
    const write = createLineWriter(process.stdout); write("first"); write("last"); ${ending}`;
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  const { stdout } = await run.catch((error) => error);
  expect(stdout).toBe("first\nlast\n");
});
