-- One dialect for PostgreSQL and SQLite: TEXT, BIGINT, BOOLEAN. Times are milliseconds since 1970, JSON is TEXT, ids are ours.

CREATE TABLE clients (
    id                      TEXT    NOT NULL PRIMARY KEY,
    secret_hash             TEXT,                    -- sha256:… (made by us) or a PHC string (chosen); NULL: no secret
    secret_expires_at       BIGINT  NOT NULL,        -- 0: never (RFC 7591 section 3.2.1)
    metadata                TEXT    NOT NULL,        -- the registration as JSON
    tokens_valid_from       BIGINT  NOT NULL,        -- grants and tokens made before are dead
    registration_token_hash TEXT,                    -- NULL: not managed by RFC 7592
    origin                  TEXT    NOT NULL,        -- admin, or registration
    created_at              BIGINT  NOT NULL,
    updated_at              BIGINT  NOT NULL
);

-- allowed_cors_origins, one row each, because a preflight names an origin and no client
CREATE TABLE client_origins (
    origin    TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    PRIMARY KEY (origin, client_id)
);
CREATE INDEX client_origins_by_client ON client_origins (client_id);

CREATE TABLE users (
    id            TEXT    NOT NULL PRIMARY KEY,      -- the subject; never reassigned
    username      TEXT    NOT NULL,                  -- as written
    email         TEXT,                              -- as written; NULL: none
    password_hash TEXT,                              -- PHC; NULL: can not sign in by password
    claims        TEXT    NOT NULL,                  -- OpenID standard claims and others, a JSON object
    disabled      BOOLEAN NOT NULL,
    tokens_valid_from BIGINT NOT NULL,               -- sessions and grants of sign-ins before are dead
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL
);

-- username and email in canonical form: one person a name, whichever of the two it is
CREATE TABLE user_names (
    name    TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX user_names_by_user ON user_names (user_id);

CREATE TABLE sessions (
    id               TEXT    NOT NULL PRIMARY KEY,   -- sid
    subject          TEXT    NOT NULL,
    authenticated_at BIGINT  NOT NULL,
    acr              TEXT,
    amr              TEXT    NOT NULL,               -- a JSON list
    remembered       BOOLEAN NOT NULL,
    created_at       BIGINT  NOT NULL,
    expires_at       BIGINT  NOT NULL
);
CREATE INDEX sessions_by_subject ON sessions (subject);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE consents (
    subject    TEXT   NOT NULL,
    client_id  TEXT   NOT NULL,
    scope      TEXT   NOT NULL,                      -- what was granted and is remembered
    audience   TEXT   NOT NULL,                      -- a JSON list
    granted_at BIGINT NOT NULL,
    expires_at BIGINT,                               -- NULL: until revoked
    PRIMARY KEY (subject, client_id)
);
CREATE INDEX consents_by_client ON consents (client_id);
CREATE INDEX consents_by_expiry ON consents (expires_at);

-- a login or consent that was decided; its flow ends in the grant of the same id, once
CREATE TABLE interactions (
    flow_id    TEXT   NOT NULL PRIMARY KEY,
    login      TEXT   NOT NULL,                      -- how the login was decided, JSON
    consent    TEXT,                                 -- how the consent was decided, JSON; NULL: not yet
    expires_at BIGINT NOT NULL
);
CREATE INDEX interactions_by_expiry ON interactions (expires_at);

CREATE TABLE grants (
    id                 TEXT   NOT NULL PRIMARY KEY,  -- the flow's id
    client_id          TEXT   NOT NULL,
    subject            TEXT   NOT NULL,
    session_id         TEXT   NOT NULL,
    scope              TEXT   NOT NULL,
    audience           TEXT   NOT NULL,              -- a JSON list
    claims             TEXT,                         -- what the consent added to tokens, JSON; NULL: nothing
    authenticated_at   BIGINT NOT NULL,
    acr                TEXT,
    amr                TEXT   NOT NULL,              -- a JSON list
    nonce              TEXT,
    redirect_uri       TEXT,                         -- as sent; NULL: the request named none
    code_challenge     TEXT,                         -- S256; NULL: the request had none
    code_expires_at    BIGINT NOT NULL,
    code_redeemed_at   BIGINT,                       -- NULL: not yet
    code_failures      BIGINT NOT NULL,              -- wrong verifiers; the third kills the code
    refresh_generation BIGINT NOT NULL,              -- the one that is alive; 0 before the code is redeemed
    refreshed_at       BIGINT,
    refresh_expires_at BIGINT,                       -- sliding; NULL: no refresh token was given
    confirmation       TEXT,                         -- the key that tokens are bound to (RFC 7800), JSON; NULL: bearer
    revoked_at         BIGINT,
    created_at         BIGINT NOT NULL,
    ends_at            BIGINT NOT NULL,              -- the absolute end, whatever is refreshed
    expires_at         BIGINT NOT NULL               -- when nothing of it can be alive any more; swept then
);
CREATE INDEX grants_by_session ON grants (session_id);
CREATE INDEX grants_by_subject ON grants (subject, client_id);
CREATE INDEX grants_by_expiry ON grants (expires_at);

CREATE TABLE revoked_tokens (
    id         TEXT   NOT NULL PRIMARY KEY,          -- the access token's own id
    expires_at BIGINT NOT NULL                       -- when the token would have ended; swept then
);
CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires_at);

CREATE TABLE keys (
    id             TEXT   NOT NULL PRIMARY KEY,      -- kid
    key_set        TEXT   NOT NULL,
    ordinal        BIGINT NOT NULL,                  -- 1, 2, …: of two replicas that rotate at once one wins
    key_use        TEXT   NOT NULL,                  -- sig, or seal
    alg            TEXT   NOT NULL,
    private_sealed TEXT   NOT NULL,                  -- sealed under secrets.system
    public         TEXT,                             -- JWK; NULL: symmetric
    created_at     BIGINT NOT NULL,
    active_from    BIGINT NOT NULL,                  -- published before, used from then on
    retire_at      BIGINT,                           -- NULL: in use; later: verifies until then
    UNIQUE (key_set, alg, ordinal)
);
