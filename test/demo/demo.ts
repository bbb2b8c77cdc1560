import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { decodeJwt } from "jose";
import { type BerthClient, basic, call, connectBerth, startBerth } from "../support/berth.ts";
import { type CiPlatform, startCiPlatform } from "../support/provider.ts";
import { missing, requireAll } from "../support/requirements.ts";
import { createNarrator } from "./narrator.ts";
import { type RegistryShow, registryRequirements, startRegistryShow } from "./registry-show.ts";

const HELP = `npm run demo [-- [--keep] [--at URL]]

The main job from start to end, in one process and a temporary directory: a CI job's OIDC token becomes a
robot token, and the robot token opens a registry. With podman, skopeo and docker-registry installed it
logs in, pushes and pulls for real.

  --keep     stay up afterwards, and print what to try
  --at URL   with a Berth that runs there and has none of it yet, in the place of its own: it is started with
             the BERTH_ADMIN_TOKEN that the demo has, BERTH_ALLOW_INSECURE_ISSUERS=true and
             BERTH_REGISTRY_SERVICE=registry.example
  --help     this text

BERTH_REQUIRE_ALL=1 makes it fail where it would leave something out.
`;

const ORGANIZATION = "acme";
const ROBOT = "acme+ci";
const JOB = "repo:acme/app:ref:refs/heads/main";
const STRANGER = "repo:mallory/app:ref:refs/heads/main";

const { heading, step, note } = createNarrator(process.stdout);

interface ShowOptions {
  readonly keep: boolean;
  /** URL of a service that runs. */
  readonly at?: string | undefined;
}

async function show(closers: (() => Promise<void>)[], { keep, at }: ShowOptions, startedAt: number): Promise<void> {
  heading("Berth: a CI job's own OIDC token opens a registry, with no stored password");
  const platform = await step(
    "A CI platform starts: the certified oidc-provider",
    () => startCiPlatform([JOB, STRANGER]),
    ({ issuer }) => ({ issuer }),
  );
  closers.push(platform.close);
  const berth = at === undefined ? await start(closers) : await connect(at);

  heading("Once, by the organization's admin");
  await prepareRobot(berth, platform);

  heading("In every CI job");
  const robotToken = await runJob(berth, platform);

  heading("What is refused");
  await beRefused(berth, platform, robotToken);

  heading("A real registry and real clients");
  const shown = await useRegistry(berth, closers, robotToken);

  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  heading(`Done in ${seconds} s: every step held.`);
  note(keep ? whatToTry(berth, shown, at !== undefined) : WHAT_NEXT);
}

async function start(closers: (() => Promise<void>)[]): Promise<BerthClient> {
  const berth = await step(
    "Berth starts, on its embedded database",
    () => startBerth({ environment: { BERTH_REGISTRY_SERVICE: "registry.example" } }),
    ({ url }) => ({ url }),
  );
  closers.push(berth.remove);
  return berth;
}

function connect(url: string): Promise<BerthClient> {
  return step(
    "Berth is there",
    async () => {
      assert.equal((await call(`${url}/readyz`)).status, 200);
      return connectBerth(url, process.env.BERTH_ADMIN_TOKEN ?? "");
    },
    ({ url }) => ({ url }),
  );
}

async function prepareRobot(berth: BerthClient, { issuer }: CiPlatform): Promise<void> {
  const robot = `/organization/${ORGANIZATION}/robots/ci`;
  await step(`Organization ${ORGANIZATION} and robot ${ROBOT} are made`, async () => {
    assert.equal((await berth.api("POST", "/organization/", { name: ORGANIZATION })).status, 201);
    assert.equal((await berth.api("PUT", robot, {})).status, 201);
  });
  await step(
    "The robot is bound to the platform and to one job",
    async () => {
      const { status, body } = await berth.api("POST", `${robot}/federation`, [{ issuer, subject: JOB }]);
      assert.equal(status, 200);
      return body[0];
    },
    (binding) => ({ issuer: binding.issuer, subject: binding.subject }),
  );
  await step(
    "The robot is granted its organization's repositories",
    async () => {
      const grants = [{ repository: `${ORGANIZATION}/*`, actions: ["pull", "push"] }];
      assert.equal((await berth.api("PUT", `${robot}/grants`, grants)).status, 200);
      return grants;
    },
    ([grant]) => ({ grant }),
  );
}

async function runJob(berth: BerthClient, platform: CiPlatform): Promise<string> {
  const external = await step(
    "The job gets its OIDC token from the platform",
    () => platform.tokenFor(JOB, berth.url),
    (token) => pick(decodeJwt(token), ["iss", "sub", "aud"]),
  );
  const robotToken = await step(
    "The job trades it for a robot token",
    async () => {
      const { status, body } = await berth.exchange(ROBOT, external);
      assert.equal(status, 200, body.message);
      return body.token as string;
    },
    (token) => {
      const { exp = 0, iat = 0, ...claims } = decodeJwt(token);
      return { ...pick(claims, ["sub", "aud", "binding"]), lives: `${exp - iat} s` };
    },
  );
  await step(
    "The robot token is the password at the registry's token server",
    () => registryToken(berth, robotToken, `repository:${ORGANIZATION}/app:pull,push`),
    (token) => pick(decodeJwt(token), ["aud", "access"]),
  );
  return robotToken;
}

async function beRefused(berth: BerthClient, platform: CiPlatform, robotToken: string): Promise<void> {
  await step(
    "A job of another repository",
    async () => berth.exchange(ROBOT, await platform.tokenFor(STRANGER, berth.url)),
    refusal("subject_mismatch"),
  );
  const refused = await step(
    "The right job's token that was meant for another service",
    async () => berth.exchange(ROBOT, await platform.tokenFor(JOB, "https://elsewhere.example")),
    refusal("audience_mismatch"),
  );
  await step(
    "Why, rule by rule, for whoever may edit the robot: GET …/federation/explain/REQUEST_ID",
    () => berth.api("GET", `/organization/acme/robots/ci/federation/explain/${refused.body.request_id}`),
    ({ body }) => {
      const failed = body.bindings[0].rules.filter(({ passed }: { passed: boolean | null }) => passed === false);
      assert.deepEqual(
        failed.map(({ rule }: { rule: string }) => rule),
        ["audience"],
      );
      return { expected: failed[0].expected, found: failed[0].found };
    },
  );
  await step(
    "Another organization's repository",
    () => registryToken(berth, robotToken, "repository:mallory/app:pull"),
    (token) => {
      const { access } = decodeJwt(token);
      assert.deepEqual(access, []);
      return { access };
    },
  );
}

async function useRegistry(
  berth: BerthClient,
  closers: (() => Promise<void>)[],
  robotToken: string,
): Promise<RegistryShow | undefined> {
  const lacking = missing(registryRequirements);
  if (lacking.length > 0) {
    if (requireAll) throw new Error(`BERTH_REQUIRE_ALL=1, and these are missing: ${lacking.join("; ")}`);
    note(`Left out, because this machine lacks them:\n${lacking.map((one) => `  ${one}`).join("\n")}`);
    return undefined;
  }
  const show = await step(
    "A registry starts (CNCF Distribution) and trusts Berth's certificate",
    () => startRegistryShow(berth),
    ({ host }) => ({ registry: host }),
  );
  closers.push(show.close);
  const image = `${show.host}/${ORGANIZATION}/app:demo`;
  await step(`podman login -u ${ROBOT} -p ROBOT_TOKEN ${show.host}`, () => show.login(ROBOT, robotToken));
  await step(`skopeo copy … docker://${image}`, () => show.push(image));
  await step(
    `podman pull ${image}`,
    () => show.pull(image),
    (digest) => ({ digest }),
  );
  await step(
    `skopeo copy … docker://${show.host}/mallory/app:demo is refused`,
    () => show.expectRefused(`${show.host}/mallory/app:demo`),
    (error) => ({ error }),
  );
  return show;
}

async function registryToken(berth: BerthClient, robotToken: string, scope: string): Promise<string> {
  const query = new URLSearchParams({ service: "registry.example", scope });
  const { status, body } = await call(`${berth.url}/v2/auth?${query}`, {
    headers: { authorization: basic(ROBOT, robotToken) },
  });
  assert.equal(status, 200, JSON.stringify(body));
  return body.token;
}

function refusal(code: string) {
  return ({ status, body }: Awaited<ReturnType<BerthClient["exchange"]>>) => {
    assert.deepEqual([status, body.code], [400, code]);
    return { [body.code]: body.message };
  };
}

function pick(claims: object, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => names.includes(name)));
}

const WHAT_NEXT = `
Next:
  npm run demo -- --keep    the same, and stays up for you to try
  npm start                 the service, with its data in ./data; README.md goes on from there
`;

function whatToTry(berth: BerthClient, show: RegistryShow | undefined, stays: boolean): string {
  const lines = [
    "",
    "Try, in another shell:",
    `  export BERTH=${berth.url} TOKEN=${stays ? "$BERTH_ADMIN_TOKEN" : berth.adminToken}`,
    `  curl -H "Authorization: Bearer $TOKEN" $BERTH/api/v1/organization/${ORGANIZATION}/robots`,
    `  curl -H "Authorization: Bearer $TOKEN" $BERTH/api/v1/organization/${ORGANIZATION}/logs`,
    "  curl $BERTH/.well-known/openid-configuration",
    ...(show ? [`  curl -i http://${show.host}/v2/`] : []),
    "",
    stays ? "Ctrl-C ends the rest; what was made at that Berth stays there." : "Ctrl-C ends it and removes its data.",
    "",
  ];
  return lines.join("\n");
}

function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    const forever = setInterval(() => {}, 60_000);
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => {
        clearInterval(forever);
        resolve();
      });
    }
  });
}

const { values } = parseArgs({
  options: { keep: { type: "boolean", default: false }, at: { type: "string" }, help: { type: "boolean" } },
});
if (values.help) {
  process.stdout.write(HELP);
} else {
  const { keep } = values;
  const at = values.at?.replace(/\/+$/, "");
  const startedAt = performance.now();
  const closers: (() => Promise<void>)[] = [];
  try {
    await show(closers, { keep, at }, startedAt);
    if (keep) await untilInterrupted();
  } catch (error) {
    process.stderr.write(`\nThe demo failed: ${error instanceof Error ? error.message : error}\n`);
    process.exitCode = 1;
  } finally {
    for (const close of closers.reverse()) await close();
  }
}
