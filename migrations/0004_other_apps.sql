-- Login, consent and logout by another app (Hydra's challenge protocol), and what the admin API lists of them.

-- when the browser came back with its verifier: from then on a decision stands; NULL: it may still be changed
ALTER TABLE interactions ADD COLUMN login_used_at BIGINT;
ALTER TABLE interactions ADD COLUMN consent_used_at BIGINT;
-- what the verifier of an app's decision has in it: that of an earlier decision is void; NULL: decided at a page of ours
ALTER TABLE interactions ADD COLUMN login_answer TEXT;
ALTER TABLE interactions ADD COLUMN consent_answer TEXT;
-- whose decision it is, and about whom: what is revoked takes along what is not finished yet
ALTER TABLE interactions ADD COLUMN subject TEXT;
ALTER TABLE interactions ADD COLUMN client_id TEXT;
CREATE INDEX interactions_by_subject ON interactions (subject);

-- the session's id at the provider that the login app uses, as that app has said; NULL: none
ALTER TABLE sessions ADD COLUMN identity_provider_session_id TEXT;

-- how the person was asked, JSON; NULL: nobody was asked, because the consent was remembered
ALTER TABLE grants ADD COLUMN consent TEXT;
-- what the client knows the person as, where the login app has said so; NULL: as the client's subject_type has it
ALTER TABLE grants ADD COLUMN seen_as TEXT;

-- the flow in which the consent was given
ALTER TABLE consents ADD COLUMN flow_id TEXT NOT NULL DEFAULT '';
-- one from before has a name of its own as well
UPDATE consents SET flow_id = subject || ' ' || client_id;
CREATE INDEX consents_by_flow ON consents (flow_id);

-- what pairwise clients know people as, where the login app has said so
CREATE TABLE forced_subjects (
    client_id TEXT NOT NULL,
    subject   TEXT NOT NULL,
    seen_as   TEXT NOT NULL,
    PRIMARY KEY (client_id, subject),
    UNIQUE (client_id, seen_as)                      -- two people are never one to a client
);
CREATE INDEX forced_subjects_by_subject ON forced_subjects (subject);
