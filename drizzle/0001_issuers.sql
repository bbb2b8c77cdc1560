CREATE TABLE "used_tokens" (
	"issuer_id" uuid NOT NULL,
	"jti" text NOT NULL,
	"robot_id" uuid NOT NULL,
	"used_at" timestamp (3) with time zone NOT NULL,
	"request_id" text NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "used_tokens_issuer_id_jti_robot_id_pk" PRIMARY KEY("issuer_id","jti","robot_id")
);
--> statement-breakpoint
ALTER TABLE "issuers" DROP CONSTRAINT "issuers_issuer_unique";--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "registered" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "revision" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "name" text;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "preset" text;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "jwks" jsonb;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "jwks_uri" text;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "ca_pem" text;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "algorithms" jsonb;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "allow_private_network" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "max_token_age" integer;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "replay_protection" boolean;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "audiences" jsonb;--> statement-breakpoint
ALTER TABLE "issuers" ADD COLUMN "clients" jsonb;--> statement-breakpoint
ALTER TABLE "used_tokens" ADD CONSTRAINT "used_tokens_issuer_id_issuers_id_fk" FOREIGN KEY ("issuer_id") REFERENCES "public"."issuers"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "used_tokens" ADD CONSTRAINT "used_tokens_robot_id_robots_id_fk" FOREIGN KEY ("robot_id") REFERENCES "public"."robots"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "used_tokens_expiry" ON "used_tokens" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "issuers_issuer" ON "issuers" USING btree ("issuer");--> statement-breakpoint
CREATE UNIQUE INDEX "issuers_opened" ON "issuers" USING btree ("issuer") WHERE not "issuers"."registered";--> statement-breakpoint
ALTER TABLE "issuers" ADD CONSTRAINT "issuers_name_unique" UNIQUE("name");