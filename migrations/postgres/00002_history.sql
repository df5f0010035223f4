-- +goose Up
-- Earlier versions of documents; body is NULL where the document was removed.
-- What is read without the body comes before it.
CREATE TABLE document_versions (
    xui      TEXT COLLATE "C" NOT NULL,
    auid     TEXT COLLATE "C" NOT NULL,
    path     TEXT COLLATE "C" NOT NULL,
    version  BIGINT           NOT NULL,
    etag     TEXT COLLATE "C" NOT NULL,
    modified BIGINT           NOT NULL,
    author   TEXT COLLATE "C" NOT NULL,
    client   TEXT COLLATE "C" NOT NULL,
    address  TEXT COLLATE "C" NOT NULL,
    method   TEXT COLLATE "C" NOT NULL,
    size     BIGINT           NOT NULL,
    body     BYTEA,
    PRIMARY KEY (xui, auid, path, version)
);

CREATE INDEX document_versions_deleted ON document_versions (modified) WHERE body IS NULL;

-- +goose Down
DROP TABLE document_versions;
