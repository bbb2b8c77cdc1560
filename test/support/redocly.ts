import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { call } from "./berth.ts";
import { type Output, run } from "./run.ts";

const cli = fileURLToPath(import.meta.resolve("@redocly/cli/bin/cli.js"));

/** Writes the description that a running service gives of its API into a directory. */
export async function writeDescription(directory: string, url: string): Promise<void> {
  const { body } = await call(`${url}/openapi.json`);
  await writeFile(join(directory, "openapi.json"), JSON.stringify(body, null, 2));
}

/** Runs Redocly's tool on the description in a directory, where no configuration and no network bear on it. */
export function redocly(directory: string, command: string, ...args: string[]): Promise<Output> {
  return run(process.execPath, [cli, command, join(directory, "openapi.json"), ...args], {
    environment: { HOME: directory, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" },
    directory,
  });
}
