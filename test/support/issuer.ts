import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { freePort } from "./free-port.ts";

/** An issuer that signs what a test likes, whereas a real provider signs only what is well-formed. */
export interface TestIssuer {
  readonly url: string;
  readonly kid: string;
  /** The paths that were asked for. */
  readonly requests: readonly string[];
  /** A token with good claims (the audience is given); `claims` and `header` replace or, with undefined, remove. */
  sign(audience: string, claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
  /** Signs any bytes as a payload, under any header. */
  signRaw(header: Record<string, unknown> | Uint8Array, payload: Uint8Array): Promise<string>;
  /** Answers a path in another way, until told otherwise. */
  answer(path: string, handler: ((request: IncomingMessage, response: ServerResponse) => void) | undefined): void;
  /** Replaces its key, with another `kid`. */
  rotate(): Promise<void>;
  close(): Promise<void>;
}

export const subject = "repo:acme/app:ref:refs/heads/main";

export async function startIssuer(path = ""): Promise<TestIssuer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}${path}`;
  const requests: string[] = [];
  const answers = new Map<string, (request: IncomingMessage, response: ServerResponse) => void>();
  let serial = 0;
  let key = await makeKey(serial);

  const server = createServer((request, response) => {
    const asked = request.url ?? "";
    requests.push(asked);
    const special = answers.get(asked);
    if (special) return special(request, response);
    if (asked === `${path.replace(/\/$/, "")}/.well-known/openid-configuration`) {
      return sendJson(response, {
        issuer: url,
        jwks_uri: `http://127.0.0.1:${port}/jwks`,
        response_types_supported: ["id_token"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["RS256"],
      });
    }
    if (asked === "/jwks") return sendJson(response, { keys: [key.jwk] });
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));

  const issuer: TestIssuer = {
    url,
    get kid() {
      return key.kid;
    },
    requests,
    async sign(audience, claims = {}, header = {}) {
      const now = Math.floor(Date.now() / 1000);
      const payload = { iss: url, sub: subject, aud: audience, iat: now, nbf: now, exp: now + 300, ...claims };
      return issuer.signRaw(
        { alg: "RS256", typ: "JWT", kid: key.kid, ...header },
        new TextEncoder().encode(JSON.stringify(payload)),
      );
    },
    async signRaw(header, payload) {
      const encodedHeader = Buffer.from(header instanceof Uint8Array ? header : JSON.stringify(header)).toString(
        "base64url",
      );
      const signed = `${encodedHeader}.${Buffer.from(payload).toString("base64url")}`;
      const signature = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", key.privateKey, Buffer.from(signed));
      return `${signed}.${Buffer.from(signature).toString("base64url")}`;
    },
    answer(asked, handler) {
      if (handler) answers.set(asked, handler);
      else answers.delete(asked);
    },
    async rotate() {
      serial += 1;
      key = await makeKey(serial);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return issuer;
}

interface IssuerKey {
  readonly kid: string;
  readonly jwk: JWK;
  readonly privateKey: CryptoKey;
}

async function makeKey(serial: number): Promise<IssuerKey> {
  const kid = `key-${serial}`;
  const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" } };
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}
