import { afterAll, beforeAll, describe } from "vitest";
import { observe } from "../../support/compatibility.ts";
import { programVersion, type RegistryClientName, registryClients } from "../../support/registry-clients/all.ts";
import type { RegistryKind } from "../../support/registry-kinds.ts";
import { type RegistrySite, startRegistrySite } from "../../support/registry-site.ts";
import { describeWith, type RequirementName } from "../../support/requirements.ts";
import type { Stage } from "./clients.ts";
import { describeCredentials } from "./credentials.ts";
import { describeImages } from "./images.ts";
import { describeLongPushes } from "./long-pushes.ts";
import { describeRights } from "./rights.ts";

const all = [{ repository: "acme/*", actions: ["pull", "push", "delete"] }];
const robots = {
  "acme+ci": [{ repository: "acme/*", actions: ["pull", "push"] }],
  "acme+reader": [{ repository: "acme/app", actions: ["pull"] }],
  "acme+cleaner": all,
  "acme+auditor": [{ catalog: true }],
  "acme+disabled": all,
  "acme+rebound": all,
  "acme+unbound": all,
  "acme+revoked": all,
  "other+ci": [{ repository: "other/*", actions: ["pull", "push"] }],
};

/** Everything that clients do with a registry, with every client, on one kind of registry. */
export function describeCompatibility(needs: readonly RequirementName[], kindOf: () => RegistryKind): void {
  const clients = Object.keys(registryClients) as RegistryClientName[];
  describeWith([...clients, ...needs], "registry clients", () => {
    const kind = kindOf();
    let site: RegistrySite;
    const stage: Stage = {
      kind,
      site: () => site,
      observe: (context, client, operation, outcome) =>
        observe(context, {
          client: `${client} ${programVersion(client)}`,
          registry: kind.name,
          operation,
          outcome,
        }),
    };
    beforeAll(async () => {
      site = await startRegistrySite(kind, robots);
      // What there is to read.
      const seat = await site.seat("acme+ci");
      for (const repository of ["acme/app", "acme/private", "acme/public"]) {
        await registryClients.skopeo.push(seat, `${site.host}/${repository}:1`);
      }
    });
    afterAll(() => site?.close());

    describe(`with ${kind.name}`, () => {
      describeImages(stage);
      describeRights(stage);
      describeCredentials(stage);
      describeLongPushes(stage);
    });
  });
}
