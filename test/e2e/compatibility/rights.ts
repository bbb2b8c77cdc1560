import { beforeAll, describe, expect, it } from "vitest";
import { registryClients } from "../../support/registry-clients/all.ts";
import { clientsThat, readers, refusal, type Stage } from "./clients.ts";

/** What a robot may not do, and what nobody in particular may. */
export function describeRights({ kind, site, observe }: Stage): void {
  const image = (name: string) => `${site().host}/${name}`;

  it.for(clientsThat("push"))("%s does not push where a robot may only pull", async ([client, { push }], context) => {
    await refusal(push(await site().seat("acme+reader"), image("acme/app:2")));
    observe(context, client, "push without the right", "refused");
  });

  it.for(readers())("%s does not pull what a robot may not", async ([client, read], context) => {
    await refusal(read(await site().seat("acme+reader"), image("acme/private:1")));
    observe(context, client, "pull without the right", "refused");
  });

  it.for(clientsThat("delete"))("%s does not delete without the right", async ([client, operations], context) => {
    const robot = kind.deletesWith === "delete" ? "acme+ci" : "acme+reader";
    await refusal(operations.delete(await site().seat(robot), image("acme/app:1")));
    expect(await registryClients.curl.pull(await site().seat("acme+reader"), image("acme/app:1"))).toBe(
      site().machine.imageId,
    );
    const outcome = kind.deletesWith === "delete" ? "refused" : "refused without `push`";
    observe(context, client, "delete without the right", outcome);
  });

  it.for(clientsThat("catalog"))(
    "%s does not read the catalog without the right",
    async ([client, { catalog }], context) => {
      await refusal(catalog(await site().seat("acme+cleaner"), site().host));
      observe(context, client, "catalog without the right", "refused");
    },
  );

  it.for(readers())("%s pulls nothing without a credential", async ([client, read], context) => {
    await refusal(read(await site().seat(), image("acme/app:1")));
    observe(context, client, "pull without a credential", "refused");
  });

  describe("what an organization lets anybody pull", () => {
    beforeAll(async () => {
      const { manage, service } = site();
      const anonymous_pull = [{ registry: service, repository: "acme/public" }];
      await manage("PATCH", "/organization/acme", { anonymous_pull });
    });

    it.for(readers())("%s pulls without a credential", async ([client, read], context) => {
      expect(await read(await site().seat(), image("acme/public:1"))).toBe(site().machine.imageId);
      observe(context, client, "pull what anybody may, without a credential", "yes");
    });

    it("is not pushed to without one", async () => {
      await refusal(registryClients.skopeo.push(await site().seat(), image("acme/public:2")));
    });
  });

  // The other clients know one credential for a registry.
  const byNamespace = clientsThat("push", "pull").filter(([client]) => client !== "containerd");
  it.for(byNamespace)("%s is two robots, one for each namespace", async ([client, { push, pull }], context) => {
    const { account, front, host, machine, seatWith } = site();
    const seat = await seatWith({
      [`${host}/acme`]: await account("acme+ci"),
      [`${host}/other`]: await account("other+ci"),
    });
    for (const namespace of ["acme", "other"]) {
      const name = `${namespace}/by-two-${client}`;
      await push(seat, image(`${name}:1`));
      expect(await pull(seat, image(`${name}:1`))).toBe(machine.imageId);
      expect(front.requests).toContain(`PUT /v2/${name}/manifests/1 201`);
    }
    await refusal(push(seat, image(`stranger/by-two-${client}:1`)));
    observe(context, client, "two robots in one auth file, by namespace", "yes");
  });
}
