CREATE TABLE "idempotency_keys" (
	"actor_id" uuid NOT NULL,
	"key_hash" text NOT NULL,
	"request_hash" text NOT NULL,
	"made_id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "idempotency_keys_actor_id_key_hash_pk" PRIMARY KEY("actor_id","key_hash")
);
--> statement-breakpoint
CREATE TABLE "memberships" (
	"organization_id" uuid NOT NULL,
	"principal_id" uuid NOT NULL,
	"role" text NOT NULL,
	CONSTRAINT "memberships_organization_id_principal_id_pk" PRIMARY KEY("organization_id","principal_id")
);
--> statement-breakpoint
DROP INDEX "audit_records_organization";--> statement-breakpoint
DROP INDEX "bindings_issuer";--> statement-breakpoint
DROP INDEX "grants_registry";--> statement-breakpoint
ALTER TABLE "api_tokens" ADD COLUMN "read_only" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "api_tokens" ADD COLUMN "organization_ids" uuid[];--> statement-breakpoint
ALTER TABLE "api_tokens" ADD COLUMN "created_by" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "api_tokens" ADD COLUMN "expires_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "api_tokens" ADD COLUMN "last_used" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "audit_records" ADD COLUMN "before" jsonb;--> statement-breakpoint
ALTER TABLE "audit_records" ADD COLUMN "after" jsonb;--> statement-breakpoint
ALTER TABLE "bindings" ADD COLUMN "api" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "principals" ADD COLUMN "description" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "principals" ADD COLUMN "super_reader" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "robots" ADD COLUMN "creator_id" uuid;--> statement-breakpoint
ALTER TABLE "robots" ADD COLUMN "role" text;--> statement-breakpoint
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_organization_id_organizations_id_fk" FOREIGN KEY ("organization_id") REFERENCES "public"."organizations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_principal_id_principals_id_fk" FOREIGN KEY ("principal_id") REFERENCES "public"."principals"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "idempotency_keys_time" ON "idempotency_keys" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "memberships_principal" ON "memberships" USING btree ("principal_id");--> statement-breakpoint
CREATE INDEX "audit_records_time" ON "audit_records" USING btree ("at","id");--> statement-breakpoint
CREATE INDEX "audit_records_organization_time" ON "audit_records" USING btree ("organization","at","id");--> statement-breakpoint
CREATE INDEX "audit_records_robot" ON "audit_records" USING btree ("robot","at","id");--> statement-breakpoint
CREATE INDEX "audit_records_kind" ON "audit_records" USING btree ("kind","at","id");--> statement-breakpoint
CREATE INDEX "audit_records_actor" ON "audit_records" USING btree ("actor","at","id");--> statement-breakpoint
CREATE INDEX "bindings_issuer_id" ON "bindings" USING btree ("issuer_id","id");--> statement-breakpoint
CREATE INDEX "bindings_subject" ON "bindings" USING btree ("subject","id");--> statement-breakpoint
CREATE INDEX "grants_pattern" ON "grants" USING btree ("registry_id","type","pattern" text_pattern_ops);--> statement-breakpoint
CREATE INDEX "organizations_prefixes" ON "organizations" USING gin ("repository_prefixes");--> statement-breakpoint
CREATE INDEX "robots_role" ON "robots" USING btree ("organization_id","name") WHERE "robots"."role" is not null;--> statement-breakpoint
UPDATE "robots" SET "creator_id" = "principals"."id" FROM "principals" WHERE "principals"."name" = "robots"."created_by";
