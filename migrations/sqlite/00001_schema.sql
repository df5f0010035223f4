-- +goose Up
CREATE TABLE users (
    aor          TEXT    NOT NULL PRIMARY KEY,
    ha1_md5      TEXT    NOT NULL,
    ha1_sha256   TEXT    NOT NULL,
    display_name TEXT    NOT NULL,
    created      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE documents (
    xui      TEXT    NOT NULL,
    auid     TEXT    NOT NULL,
    path     TEXT    NOT NULL,
    etag     TEXT    NOT NULL,
    modified INTEGER NOT NULL,
    body     BLOB    NOT NULL,
    PRIMARY KEY (xui, auid, path)
) STRICT;

CREATE INDEX documents_by_usage ON documents (auid, path, xui);

-- Server-wide unique strings that documents hold, such as RLS service URIs.
CREATE TABLE claims (
    claim TEXT NOT NULL PRIMARY KEY,
    xui   TEXT NOT NULL,
    auid  TEXT NOT NULL,
    path  TEXT NOT NULL,
    FOREIGN KEY (xui, auid, path) REFERENCES documents (xui, auid, path) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX claims_by_document ON claims (xui, auid, path);

CREATE TABLE publications (
    aor          TEXT    NOT NULL,
    event        TEXT    NOT NULL,
    lineage      TEXT    NOT NULL,
    expires      INTEGER NOT NULL,
    published    INTEGER NOT NULL,
    etag         TEXT    NOT NULL,
    content_type TEXT    NOT NULL,
    body         BLOB    NOT NULL,
    PRIMARY KEY (aor, event, lineage)
) STRICT;

CREATE INDEX publications_by_expiry ON publications (expires);

CREATE TABLE bindings (
    aor        TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    expires    INTEGER NOT NULL,
    updated    INTEGER NOT NULL,
    contact    TEXT    NOT NULL,
    params     TEXT    NOT NULL,
    instance   TEXT    NOT NULL,
    reg_id     INTEGER NOT NULL,
    q          INTEGER NOT NULL,
    call_id    TEXT    NOT NULL,
    cseq       INTEGER NOT NULL,
    path       TEXT    NOT NULL,
    user_agent TEXT    NOT NULL,
    flow       TEXT    NOT NULL,
    PRIMARY KEY (aor, id)
) STRICT;

CREATE INDEX bindings_by_expiry ON bindings (expires);

CREATE TABLE subscriptions (
    id            TEXT    NOT NULL PRIMARY KEY,
    expires       INTEGER NOT NULL,
    created       INTEGER NOT NULL,
    event         TEXT    NOT NULL,
    event_id      TEXT    NOT NULL,
    resource      TEXT    NOT NULL,
    watcher       TEXT    NOT NULL,
    display_name  TEXT    NOT NULL,
    call_id       TEXT    NOT NULL,
    local_uri     TEXT    NOT NULL,
    remote_uri    TEXT    NOT NULL,
    remote_tag    TEXT    NOT NULL,
    remote_target TEXT    NOT NULL,
    route_set     TEXT    NOT NULL,
    contact       TEXT    NOT NULL,
    remote_cseq   INTEGER NOT NULL,
    cseq_lease    INTEGER NOT NULL,
    version_lease INTEGER NOT NULL,
    state         TEXT    NOT NULL,
    sent          TEXT    NOT NULL,
    accept        TEXT    NOT NULL,
    supported     TEXT    NOT NULL,
    content_type  TEXT    NOT NULL,
    body          BLOB    NOT NULL,
    flow          TEXT    NOT NULL
) STRICT;

CREATE INDEX subscriptions_by_expiry ON subscriptions (expires);

CREATE TABLE watchers (
    presentity   TEXT    NOT NULL,
    event        TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    expires      INTEGER NOT NULL,
    since        INTEGER NOT NULL,
    watcher      TEXT    NOT NULL,
    display_name TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    cause        TEXT    NOT NULL,
    PRIMARY KEY (presentity, event, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX watchers_by_expiry ON watchers (expires);

CREATE TABLE secrets (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE secrets;
DROP TABLE watchers;
DROP TABLE subscriptions;
DROP TABLE bindings;
DROP TABLE publications;
DROP TABLE claims;
DROP TABLE documents;
DROP TABLE users;
