-- +goose Up
CREATE TABLE users (
    aor          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    ha1_md5      TEXT COLLATE "C" NOT NULL,
    ha1_sha256   TEXT COLLATE "C" NOT NULL,
    display_name TEXT COLLATE "C" NOT NULL,
    created      BIGINT           NOT NULL
);

CREATE TABLE documents (
    xui      TEXT COLLATE "C" NOT NULL,
    auid     TEXT COLLATE "C" NOT NULL,
    path     TEXT COLLATE "C" NOT NULL,
    etag     TEXT COLLATE "C" NOT NULL,
    modified BIGINT           NOT NULL,
    body     BYTEA            NOT NULL,
    PRIMARY KEY (xui, auid, path)
);

CREATE INDEX documents_by_usage ON documents (auid, path, xui);

-- Server-wide unique strings that documents hold, such as RLS service URIs.
CREATE TABLE claims (
    claim TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    xui   TEXT COLLATE "C" NOT NULL,
    auid  TEXT COLLATE "C" NOT NULL,
    path  TEXT COLLATE "C" NOT NULL,
    FOREIGN KEY (xui, auid, path) REFERENCES documents (xui, auid, path) ON DELETE CASCADE
);

CREATE INDEX claims_by_document ON claims (xui, auid, path);

CREATE TABLE publications (
    aor          TEXT COLLATE "C" NOT NULL,
    event        TEXT COLLATE "C" NOT NULL,
    lineage      TEXT COLLATE "C" NOT NULL,
    expires      BIGINT           NOT NULL,
    published    BIGINT           NOT NULL,
    etag         TEXT COLLATE "C" NOT NULL,
    content_type TEXT COLLATE "C" NOT NULL,
    body         BYTEA            NOT NULL,
    PRIMARY KEY (aor, event, lineage)
);

CREATE INDEX publications_by_expiry ON publications (expires);

CREATE TABLE bindings (
    aor        TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    expires    BIGINT           NOT NULL,
    updated    BIGINT           NOT NULL,
    contact    TEXT COLLATE "C" NOT NULL,
    params     TEXT COLLATE "C" NOT NULL,
    instance   TEXT COLLATE "C" NOT NULL,
    reg_id     BIGINT           NOT NULL,
    q          BIGINT           NOT NULL,
    call_id    TEXT COLLATE "C" NOT NULL,
    cseq       BIGINT           NOT NULL,
    path       TEXT COLLATE "C" NOT NULL,
    user_agent TEXT COLLATE "C" NOT NULL,
    flow       TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (aor, id)
);

CREATE INDEX bindings_by_expiry ON bindings (expires);

CREATE TABLE subscriptions (
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    expires       BIGINT           NOT NULL,
    created       BIGINT           NOT NULL,
    event         TEXT COLLATE "C" NOT NULL,
    event_id      TEXT COLLATE "C" NOT NULL,
    resource      TEXT COLLATE "C" NOT NULL,
    watcher       TEXT COLLATE "C" NOT NULL,
    display_name  TEXT COLLATE "C" NOT NULL,
    call_id       TEXT COLLATE "C" NOT NULL,
    local_uri     TEXT COLLATE "C" NOT NULL,
    remote_uri    TEXT COLLATE "C" NOT NULL,
    remote_tag    TEXT COLLATE "C" NOT NULL,
    remote_target TEXT COLLATE "C" NOT NULL,
    route_set     TEXT COLLATE "C" NOT NULL,
    contact       TEXT COLLATE "C" NOT NULL,
    remote_cseq   BIGINT           NOT NULL,
    cseq_lease    BIGINT           NOT NULL,
    version_lease BIGINT           NOT NULL,
    state         TEXT COLLATE "C" NOT NULL,
    sent          TEXT COLLATE "C" NOT NULL,
    accept        TEXT COLLATE "C" NOT NULL,
    supported     TEXT COLLATE "C" NOT NULL,
    content_type  TEXT COLLATE "C" NOT NULL,
    body          BYTEA            NOT NULL,
    flow          TEXT COLLATE "C" NOT NULL
);

CREATE INDEX subscriptions_by_expiry ON subscriptions (expires);

CREATE TABLE watchers (
    presentity   TEXT COLLATE "C" NOT NULL,
    event        TEXT COLLATE "C" NOT NULL,
    id           TEXT COLLATE "C" NOT NULL,
    expires      BIGINT           NOT NULL,
    since        BIGINT           NOT NULL,
    watcher      TEXT COLLATE "C" NOT NULL,
    display_name TEXT COLLATE "C" NOT NULL,
    status       TEXT COLLATE "C" NOT NULL,
    cause        TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (presentity, event, id)
);

CREATE INDEX watchers_by_expiry ON watchers (expires);

CREATE TABLE secrets (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value BYTEA            NOT NULL
);

-- +goose Down
DROP TABLE secrets;
DROP TABLE watchers;
DROP TABLE subscriptions;
DROP TABLE bindings;
DROP TABLE publications;
DROP TABLE claims;
DROP TABLE documents;
DROP TABLE users;
