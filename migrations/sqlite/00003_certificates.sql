-- +goose Up
-- What was got over ACME, private keys among it.
CREATE TABLE certificates (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE certificates;
