CREATE TABLE "api_tokens" (
	"id" uuid PRIMARY KEY NOT NULL,
	"principal_id" uuid NOT NULL,
	"name" text NOT NULL,
	"token_hash" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "api_tokens_tokenHash_unique" UNIQUE("token_hash"),
	CONSTRAINT "api_tokens_name" UNIQUE("principal_id","name")
);
--> statement-breakpoint
CREATE TABLE "audit_records" (
	"id" uuid PRIMARY KEY NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"kind" text NOT NULL,
	"organization" text,
	"robot" text,
	"actor" text,
	"outcome" text NOT NULL,
	"code" text,
	"request_id" text NOT NULL,
	"client_address" text,
	"metadata" jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "bindings" (
	"id" uuid PRIMARY KEY NOT NULL,
	"robot_id" uuid NOT NULL,
	"issuer_id" uuid NOT NULL,
	"position" integer NOT NULL,
	"version" integer NOT NULL,
	"subject" text NOT NULL,
	"audiences" jsonb,
	"clients" jsonb,
	"claims" jsonb,
	"token_ttl" integer,
	"scope" text,
	"mode" text NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"description" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"last_used" timestamp (3) with time zone,
	"use_count" bigint DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE "grants" (
	"id" uuid PRIMARY KEY NOT NULL,
	"robot_id" uuid NOT NULL,
	"registry_id" uuid NOT NULL,
	"position" integer NOT NULL,
	"type" text NOT NULL,
	"pattern" text NOT NULL,
	"actions" text[] NOT NULL,
	CONSTRAINT "grants_resource" UNIQUE("robot_id","registry_id","type","pattern")
);
--> statement-breakpoint
CREATE TABLE "issuers" (
	"id" uuid PRIMARY KEY NOT NULL,
	"issuer" text NOT NULL,
	"disabled" boolean DEFAULT false NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "issuers_issuer_unique" UNIQUE("issuer")
);
--> statement-breakpoint
CREATE TABLE "organizations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"email" text,
	"audiences" jsonb,
	"clients" jsonb,
	"created_at" timestamp (3) with time zone NOT NULL,
	"deleted_at" timestamp (3) with time zone,
	CONSTRAINT "organizations_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "principals" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"super_user" boolean NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "principals_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "registries" (
	"id" uuid PRIMARY KEY NOT NULL,
	"service" text NOT NULL,
	"is_default" boolean DEFAULT false NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "registries_service_unique" UNIQUE("service")
);
--> statement-breakpoint
CREATE TABLE "robots" (
	"id" uuid PRIMARY KEY NOT NULL,
	"organization_id" uuid NOT NULL,
	"name" text NOT NULL,
	"description" text NOT NULL,
	"unstructured_metadata" jsonb NOT NULL,
	"disabled" boolean DEFAULT false NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"created_by" text NOT NULL,
	"last_accessed" timestamp (3) with time zone,
	CONSTRAINT "robots_name" UNIQUE("organization_id","name")
);
--> statement-breakpoint
CREATE TABLE "signing_keys" (
	"id" uuid PRIMARY KEY NOT NULL,
	"purpose" text NOT NULL,
	"registry_id" uuid,
	"status" text NOT NULL,
	"kid" text NOT NULL,
	"public_jwk" jsonb NOT NULL,
	"sealed_private_key" text NOT NULL,
	"certificate" text,
	"not_after" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "signing_keys_owner" CHECK (("signing_keys"."purpose" = 'robot_token') = ("signing_keys"."registry_id" is null))
);
--> statement-breakpoint
ALTER TABLE "api_tokens" ADD CONSTRAINT "api_tokens_principal_id_principals_id_fk" FOREIGN KEY ("principal_id") REFERENCES "public"."principals"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "bindings" ADD CONSTRAINT "bindings_robot_id_robots_id_fk" FOREIGN KEY ("robot_id") REFERENCES "public"."robots"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "bindings" ADD CONSTRAINT "bindings_issuer_id_issuers_id_fk" FOREIGN KEY ("issuer_id") REFERENCES "public"."issuers"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "grants" ADD CONSTRAINT "grants_robot_id_robots_id_fk" FOREIGN KEY ("robot_id") REFERENCES "public"."robots"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "grants" ADD CONSTRAINT "grants_registry_id_registries_id_fk" FOREIGN KEY ("registry_id") REFERENCES "public"."registries"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "robots" ADD CONSTRAINT "robots_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "signing_keys" ADD CONSTRAINT "signing_keys_registry_id_registries_id_fk" FOREIGN KEY ("registry_id") REFERENCES "public"."registries"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "audit_records_organization" ON "audit_records" USING btree ("organization","id");--> statement-breakpoint
CREATE INDEX "audit_records_request" ON "audit_records" USING btree ("request_id");--> statement-breakpoint
CREATE INDEX "bindings_robot" ON "bindings" USING btree ("robot_id","position");--> statement-breakpoint
CREATE INDEX "bindings_issuer" ON "bindings" USING btree ("issuer_id");--> statement-breakpoint
CREATE INDEX "grants_registry" ON "grants" USING btree ("registry_id");--> statement-breakpoint
CREATE UNIQUE INDEX "registries_default" ON "registries" USING btree ("is_default") WHERE "registries"."is_default";--> statement-breakpoint
CREATE UNIQUE INDEX "signing_keys_active" ON "signing_keys" USING btree ("purpose",coalesce("registry_id"::text, '')) WHERE "signing_keys"."status" = 'active';