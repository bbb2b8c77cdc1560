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
    const document = { ...z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }), $id };
    routes.get(`/schemas/${name}`, (c) => c.json(document, 200, { "Content-Type": "application/schema+json" }));
  }
  return routes;
}
