CREATE TABLE "anonymous_pulls" (
	"organization_id" uuid NOT NULL,
	"registry_id" uuid NOT NULL,
	"position" integer NOT NULL,
	"pattern" text NOT NULL,
	CONSTRAINT "anonymous_pulls_organization_id_registry_id_pattern_pk" PRIMARY KEY("organization_id","registry_id","pattern")
);
--> statement-breakpoint
CREATE TABLE "repository_uses" (
	"robot_id" uuid NOT NULL,
	"service" text NOT NULL,
	"repository" text NOT NULL,
	"action" text NOT NULL,
	"day" date NOT NULL,
	"count" bigint NOT NULL,
	"last_used" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "repository_uses_robot_id_day_service_repository_action_pk" PRIMARY KEY("robot_id","day","service","repository","action")
);
--> statement-breakpoint
CREATE TABLE "static_tokens" (
	"id" uuid PRIMARY KEY NOT NULL,
	"robot_id" uuid NOT NULL,
	"token_hash" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"created_by" text NOT NULL,
	"expires_at" timestamp (3) with time zone,
	CONSTRAINT "static_tokens_tokenHash_unique" UNIQUE("token_hash")
);
--> statement-breakpoint
ALTER TABLE "signing_keys" ALTER COLUMN "sealed_private_key" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "organizations" ADD COLUMN "robot_tokens" text DEFAULT 'on_request' NOT NULL;--> statement-breakpoint
ALTER TABLE "organizations" ADD COLUMN "repository_prefixes" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "registries" ADD COLUMN "host" text;--> statement-breakpoint
ALTER TABLE "registries" ADD COLUMN "key_profile" text DEFAULT 'x5c' NOT NULL;--> statement-breakpoint
ALTER TABLE "registries" ADD COLUMN "rotation_days" integer;--> statement-breakpoint
ALTER TABLE "registries" ADD COLUMN "token_ttl" integer;--> statement-breakpoint
ALTER TABLE "registries" ADD COLUMN "issuer" text;--> statement-breakpoint
ALTER TABLE "registries" ADD COLUMN "fallback_realm" text;--> statement-breakpoint
ALTER TABLE "registries" ADD COLUMN "refresh_tokens" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "robots" ADD COLUMN "token_epoch" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "signing_keys" ADD COLUMN "profile" text;--> statement-breakpoint
ALTER TABLE "signing_keys" ADD COLUMN "activated_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "signing_keys" ADD COLUMN "retired_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "anonymous_pulls" ADD CONSTRAINT "anonymous_pulls_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "anonymous_pulls" ADD CONSTRAINT "anonymous_pulls_registry_id_registries_id_fk" FOREIGN KEY ("registry_id") REFERENCES "public"."registries"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "static_tokens" ADD CONSTRAINT "static_tokens_robot_id_robots_id_fk" FOREIGN KEY ("robot_id") REFERENCES "public"."robots"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "anonymous_pulls_pattern" ON "anonymous_pulls" USING btree ("registry_id","pattern");--> statement-breakpoint
CREATE INDEX "repository_uses_day" ON "repository_uses" USING btree ("day");--> statement-breakpoint
CREATE INDEX "static_tokens_robot" ON "static_tokens" USING btree ("robot_id");--> statement-breakpoint
CREATE UNIQUE INDEX "signing_keys_next" ON "signing_keys" USING btree ("purpose",coalesce("registry_id"::text, '')) WHERE "signing_keys"."status" = 'next';--> statement-breakpoint
UPDATE "signing_keys" SET "profile" = 'x5c' WHERE "purpose" = 'registry_token';--> statement-breakpoint
UPDATE "signing_keys" SET "activated_at" = "created_at" WHERE "status" = 'active';
