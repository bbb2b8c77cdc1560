-- Tells every instance what it must not remember any longer: of rows that decide who gets a token, and of
-- nothing that counts or describes.
CREATE FUNCTION "berth_tell_change"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	changed jsonb := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
BEGIN
	PERFORM pg_notify('berth_changes', concat_ws(' ', TG_ARGV[0], changed ->> TG_ARGV[1]));
	RETURN NULL;
END
$$;--> statement-breakpoint
CREATE TRIGGER "organizations_tell" AFTER UPDATE OF "name", "audiences", "clients", "robot_tokens", "deleted_at" OR DELETE ON "organizations" FOR EACH ROW EXECUTE FUNCTION "berth_tell_change"('organization', 'id');--> statement-breakpoint
CREATE TRIGGER "robots_tell" AFTER UPDATE OF "name", "organization_id", "disabled", "token_epoch" OR DELETE ON "robots" FOR EACH ROW EXECUTE FUNCTION "berth_tell_change"('robot', 'id');--> statement-breakpoint
CREATE TRIGGER "static_tokens_tell" AFTER UPDATE OR DELETE ON "static_tokens" FOR EACH ROW EXECUTE FUNCTION "berth_tell_change"('robot', 'robot_id');--> statement-breakpoint
CREATE TRIGGER "bindings_tell" AFTER INSERT OR UPDATE OF "robot_id", "issuer_id", "position", "version", "subject", "audiences", "clients", "claims", "token_ttl", "scope", "mode", "api", "expires_at" OR DELETE ON "bindings" FOR EACH ROW EXECUTE FUNCTION "berth_tell_change"('robot', 'robot_id');--> statement-breakpoint
CREATE TRIGGER "grants_tell" AFTER INSERT OR UPDATE OR DELETE ON "grants" FOR EACH ROW EXECUTE FUNCTION "berth_tell_change"('robot', 'robot_id');--> statement-breakpoint
CREATE TRIGGER "issuers_tell" AFTER UPDATE OR DELETE ON "issuers" FOR EACH ROW EXECUTE FUNCTION "berth_tell_change"('issuer', 'id');--> statement-breakpoint
CREATE TRIGGER "revoked_tokens_tell" AFTER INSERT ON "revoked_tokens" FOR EACH ROW EXECUTE FUNCTION "berth_tell_change"('revoked_token', 'jti');--> statement-breakpoint
CREATE TRIGGER "registries_tell" AFTER INSERT OR UPDATE OR DELETE ON "registries" FOR EACH ROW EXECUTE FUNCTION "berth_tell_change"('registries');--> statement-breakpoint
CREATE TRIGGER "anonymous_pulls_tell" AFTER INSERT OR UPDATE OR DELETE ON "anonymous_pulls" FOR EACH ROW EXECUTE FUNCTION "berth_tell_change"('anonymous_pulls');--> statement-breakpoint
CREATE TRIGGER "signing_keys_tell" AFTER INSERT OR UPDATE OR DELETE ON "signing_keys" FOR EACH ROW EXECUTE FUNCTION "berth_tell_change"('keys');
