import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { TestBerth } from "./berth.ts";
import { pathOf } from "./requirements.ts";
import { run } from "./run.ts";

/** Another program that calls the management API. */
export interface QuayClient {
  call(method: string, path: string, body?: unknown): Promise<QuayAnswer>;
  close(): void;
}

export interface QuayAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
}

/** A process for each call, which names a type for every body, as Ansible's modules do, also where there is none. */
export function startCurl({ url, adminToken }: TestBerth): QuayClient {
  return {
    async call(method, path, body) {
      const config = [
        `header = "Authorization: Bearer ${adminToken}"`,
        'header = "Content-Type: application/json"',
        'header = "Accept: application/json"',
      ].join("\n");
      const data = body === undefined ? [] : ["--data-binary", JSON.stringify(body)];
      const args = ["--silent", "--show-error", "--config", "-", "--request", method, ...data];
      const { stdout } = await run(pathOf("curl"), [...args, "--write-out", "\n%{http_code}", `${url}/api/v1${path}`], {
        input: config,
      });
      const end = stdout.lastIndexOf("\n");
      const text = stdout.slice(0, end);
      return { status: Number(stdout.slice(end)), body: text === "" ? "" : JSON.parse(text) };
    },
    close() {},
  };
}

/** One process with one connection, by Python's `requests`. */
export function startRequests({ url, adminToken }: TestBerth): QuayClient {
  const script = fileURLToPath(new URL("quay_client.py", import.meta.url));
  const child = spawn(pathOf("python3-requests"), [script, `${url}/api/v1`], { stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]();
  child.stdin.write(`${adminToken}\n`);
  return {
    async call(method, path, body) {
      child.stdin.write(`${JSON.stringify({ method, path, body })}\n`);
      const { value, done } = await answers.next();
      if (done) throw new Error(`it ended at ${method} ${path}`);
      return JSON.parse(value);
    },
    close() {
      child.stdin.end();
    },
  };
}
