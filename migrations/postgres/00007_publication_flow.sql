-- +goose Up
ALTER TABLE publications ADD COLUMN flow TEXT COLLATE "C" NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE publications DROP COLUMN flow;
