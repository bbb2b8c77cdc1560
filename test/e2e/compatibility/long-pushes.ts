import { expect, it } from "vitest";
import { type RegistryClientName, registryClients } from "../../support/registry-clients/all.ts";
import { clientsThat, type Stage } from "./clients.ts";

/** Of the registry tokens here, in seconds. */
const TOKEN_SECONDS = 60;
/** For so long a token still lives when it reaches its client, whereas an upload takes longer. */
const LEFT_SECONDS = 2;

/** They take `expires_in` for what it is; the others use a token until a registry refuses it. */
const heedExpiry: readonly RegistryClientName[] = ["podman", "skopeo", "buildah"];

/** Pushes that outlast their registry token, with Berth's clock set back so that nobody has to wait for its end. */
export function describeLongPushes({ kind, site, observe }: Stage): void {
  it.for(clientsThat("push"))("%s pushes for longer than its token lives", async ([client, { push }], context) => {
    const { berth, front, host, machine, seat } = site();
    const image = `${host}/acme/long-by-${client}:1`;
    const past = TOKEN_SECONDS - LEFT_SECONDS + (heedExpiry.includes(client) ? 0 : kind.leeway);
    berth.clock.advance(-past);
    let present = -past;
    const setRight = () => {
      berth.clock.advance(-present);
      present = 0;
    };
    try {
      const pusher = await seat("acme+ci");
      let before = Number.NaN;
      front.holdNextUpload(LEFT_SECONDS + 0.5, () => {
        setRight();
        before = berth.log.length;
      });
      await push(pusher, image);
      const asked = berth.log.slice(before).map((line) => JSON.parse(line));
      expect(asked).toContainEqual(expect.objectContaining({ route: "/v2/auth", status: 200 }));
      expect(await registryClients.curl.pull(await seat("acme+ci"), image)).toBe(machine.imageId);
      observe(context, client, "push that outlasts its token", "yes");
    } finally {
      setRight();
    }
  });
}
