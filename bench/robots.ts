import { basic, call } from "../test/support/berth.ts";
import type { TestIssuer } from "../test/support/issuer.ts";

const ROBOTS = 200;
const REPOSITORIES_OF_EACH = 5;
/** Management calls under way at once while the robots are made. */
const AT_ONCE = 10;
const ORGANIZATION = "bench";

/** A robot with a binding and grants of its own. */
export interface Robot {
  readonly name: string;
  /** Of the CI job that it trusts. */
  readonly subject: string;
  /** What it may pull from and push to. */
  readonly repositories: readonly string[];
}

/** Makes the robots, by the management API. */
export async function createRobots(berth: string, adminToken: string, issuer: TestIssuer): Promise<readonly Robot[]> {
  const manage = async (method: string, path: string, body: unknown) => {
    const answer = await call(`${berth}/api/v1/organization/${path}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  };
  const create = async ({ name, subject, repositories }: Robot) => {
    const path = `${name.replace("+", "/robots/")}`;
    await manage("PUT", path, {});
    await manage("POST", `${path}/federation`, [{ issuer: issuer.url, subject }]);
    const grants = repositories.map((repository) => ({ repository, actions: ["pull", "push"] }));
    await manage("PUT", `${path}/grants`, grants);
  };

  await manage("POST", "", { name: ORGANIZATION });
  const robots = Array.from({ length: ROBOTS }, (_, i) => describeRobot(i));
  for (let i = 0; i < robots.length; i += AT_ONCE) await Promise.all(robots.slice(i, i + AT_ONCE).map(create));
  return robots;
}

function describeRobot(i: number): Robot {
  const project = `${ORGANIZATION}/project-${i}`;
  return {
    name: `${ORGANIZATION}+robot-${i}`,
    subject: `repo:${project}:ref:refs/heads/main`,
    repositories: Array.from({ length: REPOSITORIES_OF_EACH }, (_, n) => `${project}/image-${n}`),
  };
}

export function authorization(robot: Robot, password: string): { readonly authorization: string } {
  return { authorization: basic(robot.name, password) };
}
