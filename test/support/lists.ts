import type { ApiAnswer, TestBerth } from "./berth.ts";
import { askRegistryToken } from "./refusals.ts";

/** A list of the API, and how what is on it comes and goes. */
export interface TestList {
  /** Where it is, with a query begun. */
  readonly path: string;
  /** The answer's member that holds it. */
  readonly member: string;
  /** What tells two of its items apart. */
  // biome-ignore lint/suspicious/noExplicitAny: items of every shape
  key(item: any): string;
  /** Puts one more on it; `name` is one that nothing has yet. */
  add?(name: string): Promise<unknown>;
  /** Takes one off it. */
  remove?(key: string): Promise<unknown>;
}

/** Every list that there is, by its path in the description of the API. */
export async function makeLists(berth: TestBerth): Promise<Readonly<Record<string, TestList>>> {
  const named = ({ name }: { name: string }) => name;
  const byId = ({ id }: { id: string }) => id;
  const ask = async (status: number, method: string, path: string, body?: unknown): Promise<ApiAnswer> => {
    const answer = await berth.api(method, path, body);
    if (answer.status !== status) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer;
  };
  const shortName = (name: string) => name.replace(/.*\+/, "");
  await berth.createRobot("acme+ci", { grants: [{ repository: "acme/*", actions: ["pull", "push"] }] });
  await useRepositories(berth);

  return {
    "/organization": {
      path: "/organization?",
      member: "organizations",
      key: named,
      add: (name) => ask(201, "POST", "/organization/", { name }),
      remove: (name) => ask(204, "DELETE", `/organization/${name}`),
    },
    "/deleted-organizations": {
      path: "/deleted-organizations?",
      member: "deleted_organizations",
      key: named,
      async add(name) {
        await ask(201, "POST", "/organization/", { name });
        await ask(204, "DELETE", `/organization/${name}`);
      },
      remove: (name) => ask(204, "DELETE", `/deleted-organizations/${name}`),
    },
    "/organization/{org}/members": {
      path: "/organization/acme/members?",
      member: "members",
      key: named,
      async add(name) {
        const isRobot = name.length % 2 === 0;
        if (isRobot) await ask(201, "PUT", `/organization/acme/robots/${name}`, {});
        else await ask(201, "POST", "/principals", { name });
        await ask(200, "PUT", `/organization/acme/members/${isRobot ? `acme%2B${name}` : name}`, { role: "reader" });
      },
      remove: (name) => ask(204, "DELETE", `/organization/acme/members/${encodeURIComponent(name)}`),
    },
    "/organization/{org}/prototypes": {
      path: "/organization/acme/prototypes?",
      member: "prototypes",
      key: byId,
      async add(name) {
        await ask(201, "PUT", `/organization/acme/robots/${name}`, {});
        const delegate = { name: `acme+${name}`, kind: "user" };
        await ask(200, "POST", "/organization/acme/prototypes", { role: "read", delegate });
      },
      remove: (id) => ask(204, "DELETE", `/organization/acme/prototypes/${id}`),
    },
    "/organization/{org}/robots": {
      path: "/organization/acme/robots?permissions=true",
      member: "robots",
      key: named,
      add: (name) => ask(201, "PUT", `/organization/acme/robots/${name}`, {}),
      remove: (name) => ask(204, "DELETE", `/organization/acme/robots/${shortName(name)}`),
    },
    "/organization/{org}/robots/{robot}/usage": {
      path: "/organization/acme/robots/ci/usage?",
      member: "usage",
      key: ({ repository, action }) => `${repository} ${action}`,
    },
    "/principals": {
      path: "/principals?",
      member: "principals",
      key: named,
      add: (name) => ask(201, "POST", "/principals", { name }),
      remove: (name) => ask(204, "DELETE", `/principals/${name}`),
    },
    "/issuers": {
      path: "/issuers?",
      member: "issuers",
      key: byId,
      add: (name) => ask(201, "POST", "/issuers", { issuer: `https://${name}.example` }),
      remove: (id) => ask(204, "DELETE", `/issuers/${id}?cascade=true`),
    },
    "/registries": {
      path: "/registries?",
      member: "registries",
      key: ({ service }) => service,
      add: (name) => ask(201, "POST", "/registries", { service: `${name}.example` }),
      remove: (service) => ask(204, "DELETE", `/registries/${service}`),
    },
    "/bindings": {
      path: "/bindings?issuer=https://trusted.example",
      member: "bindings",
      key: byId,
      async add(name) {
        const robot = `/organization/acme/robots/${name}`;
        await ask(201, "PUT", robot, {});
        await ask(200, "POST", `${robot}/federation`, [{ issuer: "https://trusted.example", subject: name }]);
      },
      async remove(id) {
        const { bindings } = (await ask(200, "GET", "/bindings?limit=500")).body;
        const { robot } = bindings.find((one: { id: string }) => one.id === id);
        await ask(204, "DELETE", `/organization/acme/robots/${shortName(robot)}/federation/bindings/${id}`);
      },
    },
    "/grants": {
      path: "/grants?repository=acme/granted",
      member: "grants",
      key: ({ robot, registry, repository }) => [robot, registry, repository].join(" "),
      async add(name) {
        await ask(201, "PUT", `/organization/acme/robots/${name}`, {});
        const repository = name.length % 2 === 0 ? "acme/granted" : "acme/*";
        await ask(200, "PUT", `/organization/acme/robots/${name}/grants`, [{ repository, actions: ["pull"] }]);
      },
      remove: (key) => ask(204, "DELETE", `/organization/acme/robots/${shortName(key.split(" ")[0] ?? "")}`),
    },
    "/organization/{org}/logs": {
      path: "/organization/acme/logs?kind=create_robot",
      member: "logs",
      key: byId,
      add: (name) => ask(201, "PUT", `/organization/acme/robots/${name}`, {}),
    },
    "/logs": {
      path: "/logs?kind=create_principal",
      member: "logs",
      key: byId,
      add: (name) => ask(201, "POST", "/principals", { name }),
    },
  };
}

/** Leaves counts of twelve uses. */
async function useRepositories(berth: TestBerth): Promise<void> {
  const robot = "/organization/acme/robots/ci";
  const { token } = (await berth.api("POST", `${robot}/regenerate`)).body;
  for (const part of ["a", "b", "c", "d", "e", "f"]) {
    await askRegistryToken(berth, `scope=repository:acme/${part}:pull,push`, ["acme+ci", token]);
  }
  while ((await berth.api("GET", `${robot}/usage`)).body.usage.length < 12) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
