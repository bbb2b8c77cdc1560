// Its library wants this before anything else.
import "reflect-metadata";
import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import * as x509 from "@peculiar/x509";
import { SignJWT } from "jose";

/**
 * A token server as many a registry has one, for people with passwords: in the way of docker_auth, whose
 * tokens name their key by libtrust's `kid`, and with refresh tokens besides, as Docker Hub's.
 */
export interface TokenServer {
  /** What a registry has for its `realm`. */
  readonly realm: string;
  readonly issuer: string;
  /** PEM, self-signed, for a registry's `rootcertbundle`. */
  readonly certificate: string;
  /** What was asked of it: who, and by which method. `undefined` is nobody. */
  readonly requests: readonly { readonly method: string; readonly username: string | undefined }[];
  close(): Promise<void>;
}

export interface TokenServerOptions {
  readonly issuer: string;
  readonly people: Readonly<Record<string, Person>>;
}

export interface Person {
  readonly password: string;
  /** Actions by repository. */
  readonly access: Readonly<Record<string, readonly string[]>>;
}

type Parameters = URLSearchParams;

const TOKEN_SECONDS = 900;
const ALGORITHM = {
  name: "RSASSA-PKCS1-v1_5",
  hash: "SHA-256",
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
};
const DAY_MILLISECONDS = 24 * 3600 * 1000;

export async function startTokenServer({ issuer, people }: TokenServerOptions): Promise<TokenServer> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const kid = libtrustKeyId(await crypto.subtle.exportKey("spki", keys.publicKey));
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=Token server",
    notBefore: new Date(Date.now() - DAY_MILLISECONDS),
    notAfter: new Date(Date.now() + DAY_MILLISECONDS),
    keys,
    signingAlgorithm: ALGORITHM,
  });
  const refreshTokens = new Map<string, string>();
  const requests: { method: string; username: string | undefined }[] = [];

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "", "http://localhost");
    if (url.pathname !== "/auth") return answer(response, 404, "Not found\n");
    const isForm = request.method === "POST";
    const parameters = isForm ? new URLSearchParams(await text(request)) : url.searchParams;
    const account = authenticate(request, parameters);
    requests.push({ method: request.method ?? "", username: account.username });
    if (!account.good || account.username === undefined) return refuse(response);
    answer(response, 200, await issue(account.username, parameters, isForm));
  });

  function authenticate(request: IncomingMessage, parameters: Parameters): { username?: string; good: boolean } {
    if (parameters.get("grant_type") === "refresh_token") {
      const username = refreshTokens.get(parameters.get("refresh_token") ?? "");
      return { ...(username !== undefined && { username }), good: username !== undefined };
    }
    const [username, password] =
      parameters.get("grant_type") === "password"
        ? [parameters.get("username") ?? "", parameters.get("password") ?? ""]
        : readBasic(request);
    return {
      ...(username && { username }),
      good: Object.hasOwn(people, username) && people[username]?.password === password,
    };
  }

  async function issue(username: string, parameters: Parameters, isForm: boolean): Promise<object> {
    const now = Math.floor(Date.now() / 1000);
    const access = scopesOf(parameters).map(({ type, name, actions }) => ({
      type,
      name,
      actions: actions.filter((action) => people[username]?.access[name]?.includes(action)),
    }));
    const token = await new SignJWT({ access })
      .setProtectedHeader({ alg: "RS256", typ: "JWT", kid })
      .setIssuer(issuer)
      .setSubject(username)
      .setAudience(parameters.get("service") ?? "")
      .setIssuedAt(now)
      .setNotBefore(now - 10)
      .setExpirationTime(now + TOKEN_SECONDS)
      .setJti(randomBytes(8).toString("hex"))
      .sign(keys.privateKey);
    const wantsRefreshToken = parameters.get("offline_token") === "true" || parameters.get("access_type") === "offline";
    const refreshToken = parameters.get("refresh_token") ?? randomBytes(16).toString("base64url");
    if (wantsRefreshToken) refreshTokens.set(refreshToken, username);
    return {
      token,
      access_token: token,
      expires_in: TOKEN_SECONDS,
      issued_at: new Date(now * 1000).toISOString(),
      ...(isForm && { scope: parameters.getAll("scope").join(" ") }),
      ...(wantsRefreshToken && { refresh_token: refreshToken }),
    };
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/auth`,
    issuer,
    certificate: `${certificate.toString("pem")}\n`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function readBasic(request: IncomingMessage): [username: string, password: string] {
  const credential = Buffer.from((request.headers.authorization ?? "").replace(/^Basic /, ""), "base64").toString();
  const colon = credential.indexOf(":");
  return colon < 0 ? ["", ""] : [credential.slice(0, colon), credential.slice(colon + 1)];
}

function scopesOf(parameters: Parameters) {
  const scopes = parameters
    .getAll("scope")
    .flatMap((value) => value.split(" "))
    .filter((scope) => scope !== "");
  return scopes.map((scope) => {
    const [type = "", ...rest] = scope.split(":");
    const actions = rest.pop()?.split(",") ?? [];
    return { type, name: rest.join(":"), actions };
  });
}

function refuse(response: ServerResponse): void {
  response.setHeader("www-authenticate", 'Basic realm="The old token server"');
  answer(response, 401, "Auth failed.\n");
}

/** In JSON what is given, in plain text what goes wrong. */
function answer(response: ServerResponse, status: number, body: object | string): void {
  const [type, content] =
    typeof body === "string" ? ["text/plain; charset=utf-8", body] : ["application/json", JSON.stringify(body)];
  response.writeHead(status, { "content-type": type }).end(content);
}

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** The first 30 bytes of SHA-256 over the public key's DER, in base32, in twelve groups of four. */
function libtrustKeyId(spki: ArrayBuffer): string {
  const digest = createHash("sha256").update(Buffer.from(spki)).digest().subarray(0, 30);
  const bits = Array.from(digest, (byte) => byte.toString(2).padStart(8, "0")).join("");
  const characters = bits.match(/.{5}/g)?.map((five) => BASE32[Number.parseInt(five, 2)]) ?? [];
  return characters.join("").match(/.{4}/g)?.join(":") ?? "";
}
