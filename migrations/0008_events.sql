-- Events: who changed what as an operator. A row is written in the transaction of the change that it tells of, and never
-- changed afterwards; only the sweep takes it.

CREATE TABLE events (
    id          TEXT   NOT NULL PRIMARY KEY,         -- in the order of their making
    at          BIGINT NOT NULL,
    actor       TEXT   NOT NULL,                     -- an admin token's name, admin:address or cli:user
    action      TEXT   NOT NULL,                     -- client.created
    target_type TEXT   NOT NULL,                     -- client
    target      TEXT   NOT NULL,                     -- its id or name
    before      TEXT,                                -- JSON; NULL: it was not there
    after       TEXT,                                -- JSON; NULL: it is not there any more
    request_id  TEXT,                                -- as in the log; NULL on the command line
    expires_at  BIGINT NOT NULL                      -- swept then
);
CREATE INDEX events_by_target ON events (target, id);
CREATE INDEX events_by_expiry ON events (expires_at);
