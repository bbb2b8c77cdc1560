import { Hono } from "hono";
import type { Deps } from "../deps.ts";
import { z } from "./api/route.ts";
import { organizationState, serviceState } from "./api/state-schema.ts";
import type { AppEnv } from "./context.ts";

const schemas = { "organization-state.json": organizationState, "state.json": serviceState };

/** JSON Schema (2020-12) of the documents that people keep in git, for their editors: public, as the API's description is. */
export function jsonSchemaRoutes({ config }: Deps) {
  const routes = new Hono<AppEnv>();
  for (const [name, schema] of Object.entries(schemas)) {
    const $id = `${config.publicUrl}/schemas/${name}`;
    // Few ask for it, and it takes longer to make than most answers.
    let document: object | undefined;
    routes.get(`/schemas/${name}`, (c) => {
      document ??= { ...z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }), $id };
      return c.json(document, 200, { "Content-Type": "application/schema+json" });
    });
  }
  return routes;
}
