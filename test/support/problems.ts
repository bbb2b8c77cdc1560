import { expect } from "vitest";
import { type ApiAnswer, call, type TestBerth } from "./berth.ts";

/** Checks that an answer of the management API is an error in its shape: RFC 9457 and Quay's at once. */
export function expectProblem(answer: ApiAnswer, status: number, code: string): string {
  const { title, detail, errors } = answer.body;
  expect(answer.body).toEqual({
    type: "about:blank",
    title: expect.stringMatching(/^[A-Z]/),
    status,
    detail: expect.stringMatching(/\S/),
    error_type: code,
    error_message: detail,
    code,
    request_id: answer.headers.get("x-request-id"),
    errors: expect.any(Array),
  });
  expect(answer.status, title).toBe(status);
  expect(answer.headers.has("www-authenticate")).toBe(status === 401);
  for (const problem of errors) expect(problem).toEqual({ path: expect.any(Array), message: expect.any(String) });
  return detail;
}

/** A management call whose body is the very text, under any headers. */
export function callRaw(
  berth: TestBerth,
  method: string,
  path: string,
  body?: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = { "content-type": "application/json" },
): Promise<ApiAnswer> {
  return call(`${berth.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${berth.adminToken}`, ...headers },
    ...(body !== undefined && { body }),
  });
}
