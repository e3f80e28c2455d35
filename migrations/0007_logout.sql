-- Signing out everywhere: where people are signed in, and which clients are told that a session has ended.

-- the browser that it began in, as it calls itself; NULL: not known
ALTER TABLE sessions ADD COLUMN user_agent TEXT;
-- the address that it was last used from; NULL: not known
ALTER TABLE sessions ADD COLUMN address TEXT;
-- when that was; NULL: not since it began
ALTER TABLE sessions ADD COLUMN used_at BIGINT;

-- clients with a logout URI that were given something in a session: their grants may be gone before it ends
CREATE TABLE session_clients (
    session_id TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    PRIMARY KEY (session_id, client_id)
);
CREATE INDEX session_clients_by_client ON session_clients (client_id);

-- logout tokens to deliver (OpenID Connect Back-Channel Logout 1.0); each is made anew when it is sent
CREATE TABLE logout_tokens (
    id           TEXT   NOT NULL PRIMARY KEY,        -- jti
    client_id    TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    seen_as      TEXT,                               -- what the login app has had the client know the person as; NULL: nothing
    session_id   TEXT,                               -- NULL: all of the person's sessions at the client
    attempts     BIGINT NOT NULL,
    due_at       BIGINT,                             -- the next attempt; NULL: delivered, or given up
    delivered_at BIGINT,                             -- NULL: not delivered
    failure      TEXT,                               -- why the last attempt failed; NULL: none did
    created_at   BIGINT NOT NULL,
    ends_at      BIGINT NOT NULL,                    -- no attempt begins after it
    expires_at   BIGINT NOT NULL                     -- swept then
);
CREATE INDEX logout_tokens_due ON logout_tokens (client_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX logout_tokens_by_client ON logout_tokens (client_id, id);
CREATE INDEX logout_tokens_by_subject ON logout_tokens (subject, id);
CREATE INDEX logout_tokens_by_expiry ON logout_tokens (expires_at);
