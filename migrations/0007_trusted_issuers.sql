-- Issuers whose assertions are grants (RFC 7523 section 2.1): whom the operator trusts to speak for whom.

CREATE TABLE trusted_issuers (
    id         TEXT   NOT NULL PRIMARY KEY,
    issuer     TEXT   NOT NULL,                      -- iss
    subject    TEXT   NOT NULL,                      -- sub; empty: any
    scope      TEXT   NOT NULL,                      -- what may be asked for
    kid        TEXT   NOT NULL,
    public     TEXT   NOT NULL,                      -- JWK
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,                      -- swept then
    UNIQUE (issuer, subject, kid)
);
CREATE INDEX trusted_issuers_by_expiry ON trusted_issuers (expires_at);
