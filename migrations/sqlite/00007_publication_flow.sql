-- +goose Up
ALTER TABLE publications ADD COLUMN flow TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE publications DROP COLUMN flow;
