import { exportJWK, generateKeyPair, importJWK, type JWK, jwtVerify, SignJWT } from "jose";
import { createIssuerKey } from "../src/oidc/issuer-key.ts";
import { parseToken } from "../src/oidc/token-shape.ts";
import { type Trust, verifyToken } from "../src/oidc/verify.ts";
import { type Comparison, median } from "./compare.ts";

const ROUNDS = 5;
/** Of each kind by turns, so that whatever else the machine does meets both. */
const BATCH = 50;

type Verify = (token: string) => Promise<unknown>;

/** The strict verification of RS256 tokens, one after another, beside jose's bare `jwtVerify`, in this process. */
export async function compareVerification(seconds: number): Promise<Comparison> {
  const { tokens, jwk } = await signTokens();
  const sides = { bare: await bareVerification(jwk), strict: strictVerification(jwk) };
  await takeTurns(sides, tokens, seconds);

  const rounds: Round[] = [];
  while (rounds.length < ROUNDS) rounds.push(await takeTurns(sides, tokens, seconds));
  const [baseline, subject] = [figures(rounds.map(({ bare }) => bare)), figures(rounds.map(({ strict }) => strict))];
  return {
    titles: { baseline: "jwtVerify", subject: "strict verification" },
    baseline,
    subject,
    ratios: rounds.map(({ bare, strict }) => perSecond(strict) / perSecond(bare)).sort((a, b) => a - b),
    checked: 0,
  };
}

async function bareVerification(jwk: JWK): Promise<Verify> {
  const key = await importJWK(jwk, "RS256");
  return (token) => jwtVerify(token, key, { algorithms: ["RS256"], issuer: CLAIMS.iss, audience: CLAIMS.aud });
}

function strictVerification(jwk: JWK): Verify {
  const key = createIssuerKey(jwk);
  const findKey = async () => ({ ok: true, key }) as const;
  const trust: Trust = { algorithms: ["RS256"], maxTokenAge: 86_400, findKey, isOwnKey: async () => false };
  const now = Math.floor(Date.now() / 1000);
  return async (token) => {
    const parsed = parseToken(token);
    const refusal = parsed.ok ? (await verifyToken(parsed.token, trust, () => now)).refusal : parsed.refusal;
    if (refusal) throw new Error(`a good token was refused: ${refusal.code}`);
  };
}

/** Milliseconds that each verification took. */
interface Round {
  readonly bare: readonly number[];
  readonly strict: readonly number[];
}

async function takeTurns(
  sides: Record<keyof Round, Verify>,
  tokens: readonly string[],
  seconds: number,
): Promise<Round> {
  const round = { bare: [] as number[], strict: [] as number[] };
  const end = performance.now() + seconds * 1000;
  for (let at = 0; performance.now() < end; at += BATCH) {
    for (const side of ["bare", "strict"] as const) {
      for (let i = at; i < at + BATCH; i += 1) {
        const startedAt = performance.now();
        await sides[side](tokens[i % tokens.length] as string);
        round[side].push(performance.now() - startedAt);
      }
    }
  }
  return round;
}

function figures(rounds: readonly (readonly number[])[]): Comparison["subject"] {
  return {
    requestsPerSecond: median(rounds.map(perSecond)),
    p50: median(rounds.map((times) => quantile(times, 0.5))),
    p99: median(rounds.map((times) => quantile(times, 0.99))),
  };
}

function perSecond(times: readonly number[]): number {
  return (1000 * times.length) / times.reduce((sum, time) => sum + time, 0);
}

function quantile(times: readonly number[], part: number): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * part)] ?? Number.NaN;
}

/** The claims of a GitHub Actions job. */
const CLAIMS = {
  iss: "https://token.actions.githubusercontent.com",
  aud: "https://berth.example",
  sub: "repo:acme/app:ref:refs/heads/main",
  repository: "acme/app",
  repository_id: "123456789",
  repository_owner: "acme",
  repository_owner_id: "1234567",
  repository_visibility: "private",
  ref: "refs/heads/main",
  ref_type: "branch",
  ref_protected: "true",
  sha: "0123456789abcdef0123456789abcdef01234567",
  actor: "octocat",
  actor_id: "1234567",
  event_name: "push",
  head_ref: "",
  base_ref: "",
  run_id: "1234567890",
  run_number: "12",
  run_attempt: "1",
  workflow: "ci",
  workflow_ref: "acme/app/.github/workflows/ci.yml@refs/heads/main",
  workflow_sha: "0123456789abcdef0123456789abcdef01234567",
  job_workflow_ref: "acme/app/.github/workflows/ci.yml@refs/heads/main",
  job_workflow_sha: "0123456789abcdef0123456789abcdef01234567",
  runner_environment: "github-hosted",
};

async function signTokens(): Promise<{ tokens: readonly string[]; jwk: JWK }> {
  const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
  const sign = (jti: string) =>
    new SignJWT({ ...CLAIMS, jti })
      .setProtectedHeader({ alg: "RS256", typ: "JWT", kid: "bench" })
      .setIssuedAt()
      .setNotBefore("0s")
      .setExpirationTime("15m")
      .sign(privateKey);
  const tokens = await Promise.all(Array.from({ length: 200 }, (_, i) => sign(`job-${i}`)));
  return { tokens, jwk: { ...(await exportJWK(publicKey)), kid: "bench", alg: "RS256", use: "sig" } };
}
