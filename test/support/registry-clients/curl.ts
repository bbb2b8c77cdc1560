import { run } from "../run.ts";
import { type Credential, configDigest, type Operations } from "./operations.ts";
import type { Seat } from "./seat.ts";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** What a script does by hand: ask, be challenged, get a token, ask again. */
export const curl = {
  pull: async (seat, image) => configDigest((await request(seat, "GET", manifestPath(image))).body),
  async listTags(seat, repository) {
    const { host, path } = split(repository);
    return JSON.parse((await request(seat, "GET", { host, path: `/v2/${path}/tags/list` })).body).tags;
  },
  async delete(seat, image) {
    const { host, path } = manifestPath(image);
    const digest = (await request(seat, "HEAD", { host, path })).headers["docker-content-digest"]?.[0];
    await request(seat, "DELETE", { host, path: path.replace(/[^/]+$/, digest ?? "") });
  },
  catalog: async (seat, host) =>
    JSON.parse((await request(seat, "GET", { host, path: "/v2/_catalog?n=100" })).body).repositories,
} satisfies Operations;

interface Place {
  readonly host: string;
  readonly path: string;
}

function split(name: string): Place {
  const slash = name.indexOf("/");
  return { host: name.slice(0, slash), path: name.slice(slash + 1) };
}

function manifestPath(image: string): Place {
  const { host, path } = split(image);
  const colon = path.lastIndexOf(":");
  return { host, path: `/v2/${path.slice(0, colon)}/manifests/${path.slice(colon + 1)}` };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly body: string;
}

/** @throws what was refused, in the words of who refused it */
async function request(seat: Seat, method: string, { host, path }: Place): Promise<Answer> {
  const url = `http://${host}${path}`;
  const how = method === "HEAD" ? ["head"] : [`request = "${method}"`];
  const challenged = await ask(url, ...how, `header = "Accept: ${MANIFEST}"`);
  const challenge = challenged.headers["www-authenticate"]?.[0] ?? "";
  const token = await getToken(challenge, seat.credentials[host]);
  const answer = await ask(url, ...how, `header = "Accept: ${MANIFEST}"`, `header = "Authorization: Bearer ${token}"`);
  if (answer.status >= 300) throw new Error(`${answer.status} ${answer.body}`);
  return answer;
}

async function getToken(challenge: string, credential: Credential | undefined): Promise<string> {
  const parameters = Object.fromEntries(
    [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]),
  );
  const { realm = "", service = "", scope = "" } = parameters;
  const asked = new URLSearchParams({ service, scope });
  const answer =
    credential && "identityToken" in credential
      ? await ask(
          realm,
          `data = "${asked}&${new URLSearchParams({ grant_type: "refresh_token", refresh_token: credential.identityToken })}"`,
        )
      : await ask(
          `${realm}?${asked}`,
          ...(credential ? [`user = "${credential.username}:${credential.password}"`] : []),
        );
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`);
  return JSON.parse(answer.body).access_token;
}

/** Options come by standard input, so that nobody on the machine reads a credential among arguments. */
async function ask(url: string, ...options: string[]): Promise<Answer> {
  const args = [
    "--silent",
    "--show-error",
    "--config",
    "-",
    "--write-out",
    "%{stderr}%{http_code} %{header_json}",
    url,
  ];
  const { stdout, stderr } = await run("curl", args, { input: options.join("\n") });
  return { status: Number(stderr.slice(0, 3)), headers: JSON.parse(stderr.slice(4)), body: stdout };
}
