-- Secrets of clients that follow one another, and changes that do not overwrite each other.

-- earlier secrets that are good until they are forgotten: [{"hash": …, "expires_at": seconds or 0 for never}], newest first
ALTER TABLE clients ADD COLUMN rotated_secrets TEXT NOT NULL DEFAULT '[]';
-- counts the changes of the row, which is changed as it was read or not at all
ALTER TABLE clients ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
