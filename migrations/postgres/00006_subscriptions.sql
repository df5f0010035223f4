-- +goose Up
ALTER TABLE subscriptions ADD COLUMN device BIGINT NOT NULL DEFAULT 0;
ALTER TABLE subscriptions ADD COLUMN rates TEXT COLLATE "C" NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE subscriptions DROP COLUMN rates;
ALTER TABLE subscriptions DROP COLUMN device;
