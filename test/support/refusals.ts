import { expect } from "vitest";
import { type ApiAnswer, basic, call, type TestBerth } from "./berth.ts";

/** Checks that an answer of the exchange is a refusal in the contract's shape, and that nothing comes with it. */
export function expectRefusal(answer: ApiAnswer, status: number, code: string): void {
  const { message } = answer.body;
  expect(answer.body).toEqual({
    error: expect.stringMatching(/^[a-z_]+$/),
    error_description: message,
    message,
    code,
    request_id: answer.headers.get("x-request-id"),
  });
  expect(message).toMatch(/^[A-Z].*\.$/s);
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
  expect(answer.headers.get("cache-control")).toBe("no-store");
  expect(answer.headers.has("retry-after")).toBe(status === 429 || status === 503);
  expect(answer.headers.has("www-authenticate")).toBe(status === 401);
}

/** The audit records that a request left. */
export async function recordsOf(berth: TestBerth, answer: ApiAnswer) {
  const id = answer.headers.get("x-request-id");
  const { body } = await berth.api("GET", `/logs?request_id=${id}`);
  return body.logs;
}

/** Checks that a request left one audit record, of a refused exchange, and gives it. */
export async function expectRefusalRecord(berth: TestBerth, answer: ApiAnswer, code: string) {
  const records = await recordsOf(berth, answer);
  expect(records).toHaveLength(1);
  expect(records[0]).toMatchObject({
    kind: "federated_robot_token_exchange",
    outcome: "refused",
    code,
    request_id: answer.headers.get("x-request-id"),
    performer: null,
    metadata: { token_sha256: expect.stringMatching(/^[\w-]{43}$/) },
  });
  return records[0];
}

export const tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange";
export const jwtType = "urn:ietf:params:oauth:token-type:jwt";

/** Trades a token by RFC 8693; `given` replaces parameters or, with undefined, removes them. */
export function exchangeByForm(
  berth: TestBerth,
  robot: string,
  token: string,
  given: Readonly<Record<string, string | undefined>> = {},
): Promise<ApiAnswer> {
  const parameters = {
    grant_type: tokenExchange,
    subject_token: token,
    subject_token_type: jwtType,
    resource: `urn:berth:robot:${robot}`,
    ...given,
  };
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) form.append(name, value);
  return call(`${berth.url}/oauth2/token`, { method: "POST", body: form });
}

/** Asks for a registry token; `query` as it is to stand in the URL. */
export function askRegistryToken(
  berth: TestBerth,
  query: string,
  login?: readonly [string, string],
): Promise<ApiAnswer> {
  const headers = login && { authorization: basic(...login) };
  return call(`${berth.url}/v2/auth${query && `?${query}`}`, { ...(headers && { headers }) });
}
