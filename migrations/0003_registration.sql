-- Clients that register themselves (RFC 7591): who let them in, and when they go again.

-- when a client that registered itself first got tokens; NULL: never, or one of the operator's
ALTER TABLE clients ADD COLUMN used_at BIGINT;
-- when a client that registered itself ends; swept then; NULL: never
ALTER TABLE clients ADD COLUMN expires_at BIGINT;
CREATE INDEX clients_by_origin ON clients (origin);
CREATE INDEX clients_by_expiry ON clients (expires_at);

-- initial access tokens (RFC 7591 section 3)
CREATE TABLE registration_tokens (
    id         TEXT   NOT NULL PRIMARY KEY,          -- what it is called by; not the token
    hash       TEXT   NOT NULL UNIQUE,               -- SHA-256 of the token
    note       TEXT   NOT NULL,                      -- what the operator wants to remember of it
    uses_left  BIGINT,                               -- NULL: as many as wanted
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL                       -- swept then
);
CREATE INDEX registration_tokens_by_expiry ON registration_tokens (expires_at);
