import { createServer } from "node:http";
import { exportJWK, generateKeyPair } from "jose";
import Provider, { type Adapter, type KoaContextWithOIDC } from "oidc-provider";
import { freePort } from "./free-port.ts";

/** A certified OpenID provider in the part of a CI platform: each job is a client, whose id is its subject. */
export interface CiPlatform {
  readonly issuer: string;
  /** A job's token for an audience, as a JWT access token (RFC 9068). */
  tokenFor(job: string, audience: string): Promise<string>;
  close(): Promise<void>;
}

/** Clients are configured and tokens are JWTs: there is nothing to keep. */
class NothingStored implements Adapter {
  async upsert(): Promise<void> {}
  async find(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
  async findByUid(): Promise<undefined> {}
  async consume(): Promise<void> {}
  async destroy(): Promise<void> {}
  async revokeByGrantId(): Promise<void> {}
}

const JOB_SECRET = "a-secret-that-only-the-platform-and-its-runner-know";
const TOKEN_SECONDS = 300;

export async function startCiPlatform(jobs: readonly string[]): Promise<CiPlatform> {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const signingKey = { ...(await exportJWK(privateKey)), alg: "RS256", use: "sig", kid: "ci-platform-1" };

  const provider = new Provider(issuer, {
    clients: jobs.map((job) => ({
      client_id: job,
      client_secret: JOB_SECRET,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: "client_secret_post",
    })),
    // biome-ignore lint/suspicious/noExplicitAny: the library's JWKS type wants every RSA member by name
    jwks: { keys: [signingKey as any] },
    adapter: NothingStored,
    ttl: { ClientCredentials: TOKEN_SECONDS },
    cookies: { keys: ["no browser comes here"] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_: KoaContextWithOIDC, audience: string) => ({
          audience,
          scope: "",
          accessTokenFormat: "jwt",
          accessTokenTTL: TOKEN_SECONDS,
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
  });
  const server = createServer(provider.callback());
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));

  return {
    issuer,
    async tokenFor(job, audience) {
      const response = await fetch(`${issuer}/token`, {
        method: "POST",
        body: new URLSearchParams({
          grant_type: "client_credentials",
          client_id: job,
          client_secret: JOB_SECRET,
          resource: audience,
        }),
      });
      const body = (await response.json()) as { access_token?: string };
      if (!body.access_token) throw new Error(`the platform gave no token: ${JSON.stringify(body)}`);
      return body.access_token;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
