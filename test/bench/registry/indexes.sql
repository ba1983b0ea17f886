-- What the application has on these tables, made after the rows, as a restore does.
\set ON_ERROR_STOP 1
SET maintenance_work_mem = '256MB';
ALTER TABLE users ADD PRIMARY KEY (id);
ALTER TABLE respondents ADD PRIMARY KEY (id);
ALTER TABLE submissions ADD PRIMARY KEY (id);
ALTER TABLE audit_logs ADD PRIMARY KEY (id);
ALTER TABLE respondents ADD UNIQUE (nin);
ALTER TABLE respondents ADD FOREIGN KEY (registered_by) REFERENCES users;
ALTER TABLE submissions ADD FOREIGN KEY (respondent_id) REFERENCES respondents;
CREATE INDEX respondents_by_name ON respondents (full_name);
CREATE INDEX submissions_by_respondent ON submissions (respondent_id, submitted_at);
CREATE INDEX audit_logs_by_time ON audit_logs (created_at);
CREATE VIEW active_users AS SELECT id, email FROM users WHERE status = 'active';
ALTER TABLE respondents RESET (autovacuum_enabled);
ALTER TABLE submissions RESET (autovacuum_enabled);
ALTER TABLE audit_logs RESET (autovacuum_enabled);
-- Nothing is left for a reader to tidy up while it is measured.
VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
