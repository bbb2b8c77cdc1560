import { randomBytes } from "node:crypto";
import type { Environment } from "../../src/environment.ts";
import { launchBerth } from "./berth-process.ts";

/** What a command of Berth's came to. */
export interface Outcome {
  readonly code: number | NodeJS.Signals;
  readonly stderr: string;
}

export async function runBerth(environment: Environment, ...command: readonly string[]): Promise<Outcome> {
  const berth = launchBerth(environment, command);
  const code = await berth.ended;
  return { code, stderr: berth.stderr() };
}

export const makeSecretKey = () => randomBytes(32).toString("base64");

/** Rows that the management does not make at will, and what is easily another thing once it was copied. */
export const oddRows = `
  insert into revoked_tokens values ('ended', '2026-11-23 08:00:00.123+05:30');
  insert into used_tokens select id, 'once', gen_random_uuid(), now(), 'request', now() from issuers limit 1;
  insert into repository_uses values
    (gen_random_uuid(), 'registry.example', 'acme/app', 'pull', '2026-02-28', 9007199254740993, now());
  insert into idempotency_keys values (gen_random_uuid(), 'key', 'request', gen_random_uuid(), 'infinity');
  insert into anonymous_pulls select o.id, r.id, 0, 'acme/public' from organizations o, registries r limit 1;
  update bindings set use_count = 9223372036854775807, last_used = '0001-01-01 00:00:00.001+00';
  update robots set description = E'line\\nfeed\\ttab "quoted" \\\\ back, comma {brace} \\u2028\\u2029\\u0001 Ünïcödé 🚢',
    unstructured_metadata = '{"null": null, "big": 12345678901234567890.10, "nested": [{"": "\\u2028"}], "at": "1e400"}';
  insert into audit_records (id, at, kind, outcome, request_id, before, after, metadata) values
    (gen_random_uuid(), now(), 'null', 'success', 'r', 'null', null, '{}'),
    (gen_random_uuid(), now(), '', 'refused', 'r', '"text"', '0.000', '{"empty": ""}')`;
