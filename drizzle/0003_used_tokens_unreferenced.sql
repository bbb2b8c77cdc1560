ALTER TABLE "used_tokens" DROP CONSTRAINT "used_tokens_issuer_id_issuers_id_fk";
--> statement-breakpoint
ALTER TABLE "used_tokens" DROP CONSTRAINT "used_tokens_robot_id_robots_id_fk";
