-- Times are Unix seconds (UTC) unless a column says otherwise; the SQL is what SQLite and PostgreSQL both take.

CREATE TABLE setting (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Readings are in metric units. `day` is the person's civil date, `instant` the Unix second of a sample
-- (the smallest BIGINT for a value of a whole day), `measured` the moment as it is published.
CREATE TABLE reading (
    person   TEXT NOT NULL,
    metric   TEXT NOT NULL,
    day      TEXT NOT NULL,
    instant  BIGINT NOT NULL,
    measured TEXT NOT NULL,
    number   DOUBLE PRECISION,
    text     TEXT,
    source   TEXT,
    beside   TEXT NOT NULL,
    fetched  BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (person, metric, day, instant)
);

CREATE TABLE auth (
    person      TEXT PRIMARY KEY,
    state       TEXT NOT NULL,
    since       BIGINT NOT NULL,
    reason      TEXT,
    -- A hash of the client and refresh token that were refused: nothing is tried again until it changes.
    refused     TEXT
);

CREATE TABLE profile (
    person  TEXT PRIMARY KEY,
    fetched BIGINT NOT NULL,
    zone    TEXT,
    name    TEXT
);

CREATE TABLE status (
    person        TEXT PRIMARY KEY,
    last_activity BIGINT,
    last_success  BIGINT,
    last_failure  BIGINT,
    error         TEXT
);

CREATE TABLE device (
    person TEXT NOT NULL,
    id     TEXT NOT NULL,
    json   TEXT NOT NULL,
    PRIMARY KEY (person, id)
);

CREATE TABLE quota (
    person    TEXT PRIMARY KEY,
    allowed   BIGINT NOT NULL,
    remaining BIGINT NOT NULL,
    reset     BIGINT NOT NULL
);

CREATE TABLE call (
    person   TEXT NOT NULL,
    day      TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    count    BIGINT NOT NULL,
    PRIMARY KEY (person, day, endpoint)
);

-- `representing` and `next` stand there while a process runs the action.
CREATE TABLE action (
    person       TEXT NOT NULL,
    url          TEXT NOT NULL,
    ran          BIGINT,
    representing TEXT,
    next         BIGINT,
    PRIMARY KEY (person, url)
);

CREATE TABLE consent (
    state    TEXT PRIMARY KEY,
    person   TEXT NOT NULL,
    provider TEXT NOT NULL,
    verifier TEXT NOT NULL,
    began    BIGINT NOT NULL
);

CREATE TABLE published (
    topic TEXT PRIMARY KEY
);

-- People forgotten by another process than the running bridge, until that has noticed.
CREATE TABLE removed (
    person TEXT PRIMARY KEY
);

-- Events, so that each is told once; `untold` is the message until the broker has it. A row without kind: the beginning.
CREATE TABLE event (
    person TEXT NOT NULL,
    kind   TEXT NOT NULL,
    id     TEXT NOT NULL,
    untold TEXT,
    PRIMARY KEY (person, kind, id)
);

-- Entities that were announced to Home Assistant; those of no person are the bridge's own.
CREATE TABLE announced (
    topic     TEXT NOT NULL,
    component TEXT NOT NULL,
    person    TEXT NOT NULL,
    device    TEXT NOT NULL,
    platform  TEXT NOT NULL,
    PRIMARY KEY (topic, component)
);
