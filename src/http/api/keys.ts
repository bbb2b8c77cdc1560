import type { Deps } from "../../deps.ts";
import { limits } from "../../limits.ts";
import { rotateRegistryKeys, rotateRobotTokenKey } from "../../services/rotate-keys.ts";
import { presentRegistry, registry, serviceParam } from "./registries.ts";
import { actorOf, body, createApi, createRoute, json, z } from "./route.ts";

const compromised = z
  .boolean()
  .optional()
  .openapi({ description: "Its keys end at once, with no overlap: what they signed is no good any more" });

const pem = z.string().max(limits.issuerSettings.caPem);
const rotated = createRoute({
  method: "post",
  path: "/registries/{service}/rotate",
  summary: "Put the next key in the active one's place",
  request: {
    params: serviceParam,
    body: body(
      z.strictObject({
        authority: z
          .union([z.boolean(), z.strictObject({ certificates: pem, private_key: pem })], {
            error: 'must be true, or {"certificates": PEM, "private_key": PEM}',
          })
          .optional()
          .openapi({
            description:
              "true: the next authority too, with the x5c profile; one of your own becomes the next authority, and nothing is turned yet",
          }),
        compromised,
        force: z
          .boolean()
          .optional()
          .openapi({ description: "The registry was restarted since its next key was published" }),
      }),
      false,
    ),
  },
  responses: { 200: json(registry, "The registry") },
});

const robotKeyRotated = createRoute({
  method: "post",
  path: "/keys/rotate",
  summary: "Put the next key of robot tokens in the active one's place",
  request: { body: body(z.strictObject({ compromised }), false) },
  responses: { 200: json(z.object({ kid: z.string() }), "The key that signs now") },
});

export function keyRoutes(deps: Deps) {
  const api = createApi();
  api.openapi(rotated, async (c) => {
    const { authority, compromised: leaked = false, force = false } = c.req.valid("json") ?? {};
    const brought =
      typeof authority === "object"
        ? { certificates: authority.certificates, privateKey: authority.private_key }
        : authority;
    const rotation = { compromised: leaked, force, ...(brought !== undefined && { authority: brought }) };
    return c.json(
      presentRegistry(deps, await rotateRegistryKeys(deps, actorOf(c), c.req.valid("param").service, rotation)),
      200,
    );
  });
  api.openapi(robotKeyRotated, async (c) => {
    const { compromised: leaked = false } = c.req.valid("json") ?? {};
    return c.json({ kid: await rotateRobotTokenKey(deps, actorOf(c), leaked) }, 200);
  });
  return api;
}
