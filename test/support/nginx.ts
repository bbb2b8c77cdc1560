import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDaemon } from "./daemon.ts";
import { pathOf } from "./requirements.ts";
import { run } from "./run.ts";

const SITE = new URL("../../deploy/nginx.conf", import.meta.url);

/** nginx with the site of `deploy/`, in front of Berth and a registry on `localhost`. */
export interface TestNginx {
  /** Its certificate, alone in a directory and as a file. */
  readonly certDir: string;
  readonly caFile: string;
  /** The requests so far, a line each. */
  accessLog(): Promise<string>;
  /** Warnings and errors so far. */
  errorLog(): string;
  remove(): Promise<void>;
}

export interface TestNginxOptions {
  readonly port: number;
  /** Several, where there are as many instances. */
  readonly berthPort: number | readonly number[];
  readonly registryPort: number;
}

export async function startNginx({ port, berthPort, registryPort }: TestNginxOptions): Promise<TestNginx> {
  const directory = await mkdtemp(join(tmpdir(), "berth-nginx-"));
  const removeDirectory = () => rm(directory, { recursive: true, force: true });
  const inDirectory = (name: string) => join(directory, name);
  try {
    const certDir = inDirectory("trusted");
    const [caFile, keyFile] = [join(certDir, "localhost.crt"), inDirectory("localhost.key")];
    await mkdir(certDir);
    await run("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
      ...["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", keyFile, "-out", caFile],
    ]);
    const site = fitSite(await readFile(SITE, "utf8"), {
      "server 127.0.0.1:8080 max_fails=0;": [berthPort]
        .flat()
        .map((one) => `server 127.0.0.1:${one} max_fails=0;`)
        .join(" "),
      "server 127.0.0.1:5000;": `server 127.0.0.1:${registryPort};`,
      "listen 443 ssl;": `listen 127.0.0.1:${port} ssl;`,
      "listen [::]:443 ssl;": "",
      "server_name registry.example.com;": "server_name localhost;",
      "/etc/nginx/tls/registry.crt": caFile,
      "/etc/nginx/tls/registry.key": keyFile,
    });
    await Promise.all([
      writeFile(inDirectory("site.conf"), site),
      writeFile(inDirectory("nginx.conf"), mainConfiguration),
    ]);
    const args = ["-p", directory, "-c", inDirectory("nginx.conf"), "-e", "stderr"];
    const daemon = await startDaemon(pathOf("nginx"), args, port);
    return {
      certDir,
      caFile,
      accessLog: () => readFile(inDirectory("access.log"), "utf8"),
      errorLog: daemon.output,
      async remove() {
        await daemon.stop();
        await removeDirectory();
      },
    };
  } catch (error) {
    await removeDirectory();
    throw error;
  }
}

/** One process in the foreground, which writes nowhere but into its directory, around the site. */
const mainConfiguration = `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {}
http {
    access_log access.log;
    ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${name};`).join("\n    ")}
    include site.conf;
}
`;

/** Fits the lines that the site marks to be set, every one of them, and leaves all others as they are. */
function fitSite(site: string, values: Readonly<Record<string, string>>): string {
  const left = new Map(Object.entries(values));
  const lines = site.split("\n").map((line) => {
    if (!line.endsWith("# set")) return line;
    const [original, value] = [...left].find(([text]) => line.includes(text)) ?? [];
    if (original === undefined || value === undefined) throw new Error(`nothing is set in the line: ${line}`);
    left.delete(original);
    return line.replace(original, value);
  });
  if (left.size > 0) throw new Error(`no line is marked to set ${[...left.keys()].join(", ")}`);
  return lines.join("\n");
}
