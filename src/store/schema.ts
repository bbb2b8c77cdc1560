export * from "./schema/federation.ts";
export * from "./schema/management.ts";
export * from "./schema/organizations.ts";
export * from "./schema/registries.ts";
