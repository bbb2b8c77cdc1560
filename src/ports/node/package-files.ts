import { existsSync, readFileSync } from "node:fs";

const root = findRoot(new URL(".", import.meta.url));

/** A file of this package, wherever the code that asks for it was built to. */
export function packageFile(path: string): URL {
  return new URL(path, root);
}

export const { version } = JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string };

function findRoot(directory: URL): URL {
  return existsSync(new URL("package.json", directory)) ? directory : findRoot(new URL("..", directory));
}
