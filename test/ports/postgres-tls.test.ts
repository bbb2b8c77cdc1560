import { randomBytes } from "node:crypto";
import { chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { importPostgres } from "../../src/ports/node/postgres-driver.ts";
import { makeSecretKey, runBerth } from "../support/backup.ts";
import { type CertificateAuthority, createCertificateAuthority } from "../support/certificate-authority.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

// docs/data.md, "TLS to PostgreSQL".

let directory: string;
let secure: TestPostgres;
let plain: TestPostgres;
let urls: { readonly secure: string; readonly plain: string };
let authority: CertificateAuthority;
let trusted: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "berth-tls-"));
  trusted = join(directory, "ca.pem");
  [secure, plain] = await Promise.all([startPostgres(), startPostgres()]);
  urls = { secure: await secure.createDatabase("berth"), plain: await plain.createDatabase("berth") };
  authority = await createCertificateAuthority();
  writeFileSync(trusted, authority.certificate);
  await serveTls(await authority.issue("localhost"));
});

afterAll(async () => {
  await Promise.all([secure.remove(), plain.remove()]);
  rmSync(directory, { recursive: true });
});

async function serveTls({ cert, key }: { cert: string; key: string }): Promise<void> {
  const sql = postgres(urls.secure, { max: 1 });
  const [row] = await sql<{ data_directory: string }[]>`show data_directory`;
  const data = String(row?.data_directory);
  for (const [name, text] of Object.entries({ "server.crt": cert, "server.key": key })) {
    const path = join(data, name);
    writeFileSync(path, text, { mode: 0o600 });
    chownSync(path, statSync(data).uid, statSync(data).gid);
  }
  await sql`alter system set ssl = on`;
  await sql`select pg_reload_conf()`;
  await sql.end();
}

const localhost = (url: string, query: string) => `${url.replace("127.0.0.1", "localhost")}${query}`;

/** Whether the connection is encrypted, or why there is none. */
async function connect(url: string): Promise<boolean | string> {
  const connecting = await importPostgres();
  const sql = connecting(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
  try {
    const [row] = await sql<{ ssl: boolean }[]>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`;
    return row?.ssl ?? "unknown";
  } catch (error) {
    return `${(error as { code?: string }).code}`;
  } finally {
    await sql.end();
  }
}

describe("sslmode", () => {
  const UNTRUSTED = "UNABLE_TO_VERIFY_LEAF_SIGNATURE";
  it.each<[string, boolean | string, boolean | string]>([
    ["", false, false],
    ["?sslmode=disable", false, false],
    ["?sslmode=prefer", true, false],
    ["?sslmode=allow", true, "refused"],
    ["?sslmode=require", true, "refused"],
    ["?sslmode=verify-ca", UNTRUSTED, "refused"],
    ["?sslmode=verify-full", UNTRUSTED, "refused"],
  ])("%j: encrypted %j where the server can, %j where it cannot", async (query, withTls, without) => {
    expect(await connect(localhost(urls.secure, query))).toBe(withTls);
    const answer = await connect(localhost(urls.plain, query));
    if (without === "refused") expect(typeof answer).toBe("string");
    else expect(answer).toBe(without);
  });

  it.each(["sslrootcert=/etc/ssl/ca.pem", "sslcert=/etc/ssl/own.pem", "channel_binding=require"])(
    "%s is none of the driver's: PostgreSQL refuses it as a setting of its own",
    async (setting) => {
      expect(await connect(localhost(urls.secure, `?sslmode=require&${setting}`))).toBe("42704");
    },
  );

  it("verify-full takes an authority by NODE_EXTRA_CA_CERTS, for the name that the certificate has", async () => {
    const environment = {
      BERTH_SECRET_KEY: makeSecretKey(),
      BERTH_ADMIN_TOKEN: randomBytes(24).toString("base64url"),
      PUBLIC_URL: "https://berth.example",
      NODE_EXTRA_CA_CERTS: trusted,
    };
    const migrate = (DATABASE_URL: string) => runBerth({ ...environment, DATABASE_URL }, "migrate");
    expect(await migrate(localhost(urls.secure, "?sslmode=verify-full"))).toEqual({
      code: 0,
      stderr: expect.stringContaining("is prepared"),
    });
    // An address is no name: the driver then has Node look for "localhost" in the certificate.
    expect(await migrate(`${urls.secure}?sslmode=verify-full`)).toEqual({
      code: 0,
      stderr: expect.stringContaining("is prepared"),
    });
    await serveTls(await authority.issue("other.example"));
    for (const mode of ["verify-full", "verify-ca"]) {
      const { code, stderr } = await migrate(localhost(urls.secure, `?sslmode=${mode}`));
      expect(code).toBe(1);
      expect(stderr).toContain("ERR_TLS_CERT_ALTNAME_INVALID");
    }
  });
});
