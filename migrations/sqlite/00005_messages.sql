-- +goose Up
-- MESSAGE requests that wait for their recipient. What is loaded at start comes
-- before what is read only for delivery.
CREATE TABLE messages (
    recipient    TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    expires      INTEGER NOT NULL,
    size         INTEGER NOT NULL,
    received     INTEGER NOT NULL,
    sender       TEXT    NOT NULL,
    call_id      TEXT    NOT NULL,
    cseq         INTEGER NOT NULL,
    content_type TEXT    NOT NULL,
    head         BLOB    NOT NULL,
    body         BLOB    NOT NULL,
    PRIMARY KEY (recipient, id)
) STRICT;

CREATE INDEX messages_by_expiry ON messages (expires);

-- +goose Down
DROP TABLE messages;
