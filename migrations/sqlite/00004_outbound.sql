-- +goose Up
-- Empty for accounts from before: they get it with their next password.
ALTER TABLE users ADD COLUMN ha1_sha512_256 TEXT NOT NULL DEFAULT '';

ALTER TABLE bindings ADD COLUMN direct INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bindings ADD COLUMN era TEXT NOT NULL DEFAULT '';
ALTER TABLE bindings ADD COLUMN era_cseq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bindings ADD COLUMN registered INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE bindings DROP COLUMN registered;
ALTER TABLE bindings DROP COLUMN era_cseq;
ALTER TABLE bindings DROP COLUMN era;
ALTER TABLE bindings DROP COLUMN direct;
ALTER TABLE users DROP COLUMN ha1_sha512_256;
