-- +goose Up
-- What was got over ACME, private keys among it.
CREATE TABLE certificates (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BYTEA            NOT NULL
);

-- +goose Down
DROP TABLE certificates;
