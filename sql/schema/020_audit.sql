CREATE TABLE IF NOT EXISTS jdl_audit.event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    login name NOT NULL,
    actor name NOT NULL,
    action text NOT NULL,
    request_id bigint,
    relation text,
    row_count bigint,
    transaction_id text NOT NULL DEFAULT pg_current_xact_id()::text,
    isolation text NOT NULL DEFAULT current_setting('transaction_isolation'),
    detail jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE jdl_audit.event IS 'The trail: who did what to which request, when, and how many rows it touched. Never a personal value.';
COMMENT ON COLUMN jdl_audit.event.login IS 'session_user: who logged in.';
COMMENT ON COLUMN jdl_audit.event.actor IS 'The role chosen with SET ROLE, else the login.';
CREATE INDEX IF NOT EXISTS event_request ON jdl_audit.event (request_id, event_id);

CREATE TABLE IF NOT EXISTS jdl_audit.chain (
    position bigint PRIMARY KEY CHECK (position > 0),
    event_id bigint NOT NULL UNIQUE,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32)
);
COMMENT ON TABLE jdl_audit.chain IS 'The seal of the trail: each digest covers its event and the digest before it.';

-- One row, so that a seal need not look for the one before it; and whoever tears off seals has to mend it as well. Nearly
-- empty pages keep its many versions on one page.
CREATE TABLE IF NOT EXISTS jdl_audit.head (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    position bigint NOT NULL,
    digest bytea
) WITH (fillfactor = 10);
COMMENT ON TABLE jdl_audit.head IS 'The end of the chain.';
INSERT INTO jdl_audit.head (position) VALUES (0) ON CONFLICT DO NOTHING;

-- Events that wait for the next sealer: of transactions stricter than read committed, and refused attempts.
CREATE TABLE IF NOT EXISTS jdl_audit.pending (
    event_id bigint PRIMARY KEY
);
COMMENT ON TABLE jdl_audit.pending IS 'Events that wait to be sealed by the next sealer.';

DROP TRIGGER IF EXISTS event_seal ON jdl_audit.event;
CREATE CONSTRAINT TRIGGER event_seal AFTER INSERT ON jdl_audit.event
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION @extschema@._jdl_audit_seal();
CREATE OR REPLACE TRIGGER event_frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON jdl_audit.event FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_audit_frozen();
CREATE OR REPLACE TRIGGER chain_frozen BEFORE UPDATE OR DELETE OR TRUNCATE ON jdl_audit.chain FOR EACH STATEMENT EXECUTE FUNCTION @extschema@._jdl_audit_frozen();
ALTER TABLE jdl_audit.event ENABLE ALWAYS TRIGGER event_seal, ENABLE ALWAYS TRIGGER event_frozen;
ALTER TABLE jdl_audit.chain ENABLE ALWAYS TRIGGER chain_frozen;

-- Nobody changes or removes an entry or a seal, the engine neither: it may insert and read.
ALTER TABLE jdl_audit.event ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE jdl_audit.chain ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS event_engine_insert ON jdl_audit.event;
CREATE POLICY event_engine_insert ON jdl_audit.event FOR INSERT TO jdl_engine WITH CHECK (true);
DROP POLICY IF EXISTS event_engine_select ON jdl_audit.event;
CREATE POLICY event_engine_select ON jdl_audit.event FOR SELECT TO jdl_engine USING (true);
DROP POLICY IF EXISTS event_auditor_select ON jdl_audit.event;
CREATE POLICY event_auditor_select ON jdl_audit.event FOR SELECT TO jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_auditor')));
DROP POLICY IF EXISTS chain_engine_insert ON jdl_audit.chain;
CREATE POLICY chain_engine_insert ON jdl_audit.chain FOR INSERT TO jdl_engine WITH CHECK (true);
DROP POLICY IF EXISTS chain_engine_select ON jdl_audit.chain;
CREATE POLICY chain_engine_select ON jdl_audit.chain FOR SELECT TO jdl_engine USING (true);
DROP POLICY IF EXISTS chain_auditor_select ON jdl_audit.chain;
CREATE POLICY chain_auditor_select ON jdl_audit.chain FOR SELECT TO jdl_auditor USING ((SELECT @extschema@._jdl_holds('jdl_auditor')));
DROP POLICY IF EXISTS head_engine_all ON jdl_audit.head;
CREATE POLICY head_engine_all ON jdl_audit.head TO jdl_engine USING (true);
DROP POLICY IF EXISTS pending_engine_all ON jdl_audit.pending;
CREATE POLICY pending_engine_all ON jdl_audit.pending TO jdl_engine USING (true);
GRANT SELECT, INSERT ON jdl_audit.event, jdl_audit.chain TO jdl_engine;
GRANT SELECT, UPDATE ON jdl_audit.head TO jdl_engine;
GRANT SELECT, INSERT, DELETE ON jdl_audit.pending TO jdl_engine;
GRANT SELECT ON jdl_audit.event, jdl_audit.chain TO jdl_auditor;
