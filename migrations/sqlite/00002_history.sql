-- +goose Up
-- Earlier versions of documents; body is NULL where the document was removed.
-- What is read without the body comes before it.
CREATE TABLE document_versions (
    xui      TEXT    NOT NULL,
    auid     TEXT    NOT NULL,
    path     TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    etag     TEXT    NOT NULL,
    modified INTEGER NOT NULL,
    author   TEXT    NOT NULL,
    client   TEXT    NOT NULL,
    address  TEXT    NOT NULL,
    method   TEXT    NOT NULL,
    size     INTEGER NOT NULL,
    body     BLOB,
    PRIMARY KEY (xui, auid, path, version)
) STRICT;

CREATE INDEX document_versions_deleted ON document_versions (modified) WHERE body IS NULL;

-- +goose Down
DROP TABLE document_versions;
