-- When a grant may go if its code is never redeemed; NULL: at its expires_at. It never changes, so that the sweep can go along it
-- once, and an update leaves all indexes alone.
ALTER TABLE grants ADD COLUMN unredeemed_until BIGINT;
CREATE INDEX grants_by_unredeemed_until ON grants (unredeemed_until);
