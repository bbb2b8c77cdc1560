import { formatRobotName, type RobotName } from "../../domain/names.ts";

/** What a robot logs in with, and where. */
export interface RobotLogin {
  readonly robot: RobotName;
  readonly token: string;
  /** The registry's host, with or without a port. */
  readonly host: string;
}

/** A line for a POSIX shell, which shows the password to no other process. */
export function loginCommand(client: "docker" | "podman", { robot, token, host }: RobotLogin): string {
  const [password, username, registry] = [token, formatRobotName(robot), host].map(quote);
  return `printf %s ${password} | ${client} login --username ${username} --password-stdin ${registry}\n`;
}

/** @see https://github.com/docker/cli `cli/config/types` */
export function dockerConfig({ robot, token, host }: RobotLogin): DockerConfig {
  return { auths: { [host]: { auth: base64(`${formatRobotName(robot)}:${token}`) } } };
}

export interface DockerConfig {
  readonly auths: Record<string, { auth: string }>;
}

/** YAML, for `kubectl apply`. @see https://kubernetes.io/docs/concepts/configuration/secret/ */
export function kubernetesSecret(login: RobotLogin): string {
  return `apiVersion: v1
kind: Secret
metadata:
  name: ${secretName(login.robot)}
type: kubernetes.io/dockerconfigjson
data:
  .dockerconfigjson: ${base64(JSON.stringify(dockerConfig(login)))}
`;
}

const MAX_NAME = 253;

/**
 * A DNS subdomain, of which names have neither `+` nor `_`. Robots differ by it: names hold no two dashes
 * in a row.
 */
function secretName(robot: RobotName): string {
  const name = formatRobotName(robot).replace("+", "--").replaceAll("_", "---");
  return name.slice(0, MAX_NAME).replace(/[.-]+$/, "");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
