-- OpenID Connect in full: secrets that are needed back, the claims that a request named, assertions that were used.

-- sealed under secrets.system: the secret of a client that signs or is signed for with it (client_secret_jwt, HS256 and
-- its kin); NULL: only its hash is kept
ALTER TABLE clients ADD COLUMN secret_sealed TEXT;

-- what the claims parameter asked for and the person allowed, JSON; NULL: nothing
ALTER TABLE grants ADD COLUMN claims_requested TEXT;

-- names of claims that were granted by themselves, a JSON list
ALTER TABLE consents ADD COLUMN claims TEXT NOT NULL DEFAULT '[]';

-- jti of client assertions, once each
CREATE TABLE used_jtis (
    hash       TEXT   NOT NULL PRIMARY KEY,          -- SHA-256 of the client's id and the jti
    expires_at BIGINT NOT NULL                       -- when the assertion would have ended; swept then
);
CREATE INDEX used_jtis_by_expiry ON used_jtis (expires_at);
