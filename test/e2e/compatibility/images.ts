import { expect, it } from "vitest";
import { registryClients } from "../../support/registry-clients/all.ts";
import { clientsThat, refusal, type Stage } from "./clients.ts";

/** What a robot may do, and does. */
export function describeImages({ kind, site, observe }: Stage): void {
  const image = (name: string) => `${site().host}/${name}`;
  const idOf = async (name: string) => registryClients.curl.pull(await site().seat("acme+ci"), image(name));

  it.for(clientsThat("login"))("%s logs in", async ([client, { login }], context) => {
    const { stdout } = await login(await site().seat(), site().host, await site().account("acme+ci"));
    expect(stdout).toMatch(/^Login Succeeded/);
    observe(context, client, "log in", "yes");
  });

  it.for(clientsThat("push"))("%s pushes", async ([client, { push }], context) => {
    await push(await site().seat("acme+ci"), image(`acme/from-${client}:1`));
    expect(await idOf(`acme/from-${client}:1`)).toBe(site().machine.imageId);
    observe(context, client, "push", "yes");
  });

  it.for(clientsThat("pull"))("%s pulls", async ([client, { pull }], context) => {
    expect(await pull(await site().seat("acme+reader"), image("acme/app:1"))).toBe(site().machine.imageId);
    observe(context, client, "pull", "yes");
  });

  it.for(clientsThat("inspect"))("%s inspects", async ([client, { inspect }], context) => {
    expect(await inspect(await site().seat("acme+reader"), image("acme/app:1"))).toBe(site().machine.imageId);
    observe(context, client, "inspect", "yes");
  });

  it.for(clientsThat("listTags"))("%s lists tags", async ([client, { listTags }], context) => {
    expect(await listTags(await site().seat("acme+reader"), image("acme/app"))).toEqual(["1"]);
    observe(context, client, "list tags", "yes");
  });

  it.for(clientsThat("copy"))("%s copies without sending a layer again", async ([client, { copy }], context) => {
    const { front, machine, seat } = site();
    const before = front.requests.length;
    await copy(await seat("acme+ci"), image("acme/app:1"), image(`acme/copied-by-${client}:1`));
    expect(await idOf(`acme/copied-by-${client}:1`)).toBe(machine.imageId);
    const requests = front.requests.slice(before);
    if (kind.mountsLayers) {
      expect(requests).toContainEqual(
        expect.stringMatching(/^POST (?=.*[?&]mount=).*[?&]from=acme(%2F|\/)app\b.* 201$/),
      );
    }
    // The configuration may be sent: it is no layer.
    const sent = requests.flatMap((request) => /^PUT .*[?&]digest=sha256(?::|%3A)(\w+)/.exec(request)?.[1] ?? []);
    expect(sent.filter((hex) => `sha256:${hex}` !== machine.imageId)).toEqual([]);
    observe(context, client, "copy, with no layer sent again", "yes");
  });

  it.for(clientsThat("delete"))("%s deletes", async ([client, operations], context) => {
    const { seat } = site();
    const doomed = `acme/doomed-by-${client}:1`;
    await registryClients.skopeo.push(await seat("acme+ci"), image(doomed));
    await operations.delete(await seat("acme+cleaner"), image(doomed));
    await expect(idOf(doomed)).rejects.toThrow(/^404 /);
    observe(context, client, "delete", "yes");
  });

  it.for(clientsThat("catalog"))("%s reads the catalog", async ([client, { catalog }], context) => {
    const names = catalog(await site().seat("acme+auditor"), site().host);
    // podman asks for Distribution's scope, whatever the registry wants.
    const opens = client !== "podman" || kind.catalogScope === "registry:catalog:*";
    if (opens) {
      expect(await names).toEqual(expect.arrayContaining(["acme/app", "acme/private", "acme/public"]));
    } else {
      await refusal(names);
    }
    observe(context, client, "catalog", opens ? "yes" : "refused");
  });
}
