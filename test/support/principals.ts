import { type ApiAnswer, call, type TestBerth } from "./berth.ts";

/** Somebody who manages, with an API token. */
export interface TestPrincipal {
  readonly name: string;
  readonly token: string;
  readonly api: ManagementCall;
}

export type ManagementCall = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<ApiAnswer>;

interface Given {
  readonly super_user?: boolean | "read_only";
  readonly roles?: Readonly<Record<string, "admin" | "member" | "reader">>;
}

interface Narrowed {
  readonly read_only?: boolean;
  readonly organizations?: readonly string[];
  readonly expires_at?: string;
}

/** @param narrowed how the token narrows what the principal may do */
export async function makePrincipal(
  berth: TestBerth,
  name: string,
  given: Given = {},
  narrowed: Narrowed = {},
): Promise<TestPrincipal> {
  const made = await berth.api("POST", "/principals", { name, ...given });
  const answer = await berth.api("POST", `/principals/${name}/tokens`, { name: "test", ...narrowed });
  if (made.status !== 201 || answer.status !== 201) {
    throw new Error(`no principal ${name}: ${JSON.stringify([made.body, answer.body])}`);
  }
  const { token } = answer.body;
  return { name, token, api: managementBy(berth, token) };
}

/** Management calls with a credential. */
export function managementBy({ url }: Pick<TestBerth, "url">, credential: string): ManagementCall {
  return (method, path, body, headers = {}) =>
    call(`${url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${credential}`,
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
}
