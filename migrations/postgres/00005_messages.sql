-- +goose Up
-- MESSAGE requests that wait for their recipient. What is loaded at start comes
-- before what is read only for delivery.
CREATE TABLE messages (
    recipient    TEXT COLLATE "C" NOT NULL,
    id           TEXT COLLATE "C" NOT NULL,
    expires      BIGINT           NOT NULL,
    size         BIGINT           NOT NULL,
    received     BIGINT           NOT NULL,
    sender       TEXT COLLATE "C" NOT NULL,
    call_id      TEXT COLLATE "C" NOT NULL,
    cseq         BIGINT           NOT NULL,
    content_type TEXT COLLATE "C" NOT NULL,
    head         BYTEA            NOT NULL,
    body         BYTEA            NOT NULL,
    PRIMARY KEY (recipient, id)
);

CREATE INDEX messages_by_expiry ON messages (expires);

-- +goose Down
DROP TABLE messages;
