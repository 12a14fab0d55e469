-- Times are Unix seconds (UTC) unless a column says otherwise; the SQL is what SQLite and PostgreSQL both take, but for
-- WITHOUT ROWID, which is taken out for PostgreSQL.

CREATE TABLE setting (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Values of a day, a night or an event, in metric units. `day` is the person's civil date, `instant` the Unix second of
-- an event (the smallest BIGINT for a value of a whole day), `measured` the moment as it is published, `asked` the Unix
-- millisecond of the question it answered. `place` tells apart events that began in the same second.
CREATE TABLE reading (
    person   TEXT NOT NULL,
    metric   TEXT NOT NULL,
    day      TEXT NOT NULL,
    instant  BIGINT NOT NULL,
    place    BIGINT NOT NULL,
    measured TEXT NOT NULL,
    number   DOUBLE PRECISION,
    text     TEXT,
    source   TEXT,
    beside   TEXT NOT NULL,
    asked    BIGINT NOT NULL,
    fetched  BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (person, metric, day, instant, place)
) WITHOUT ROWID;

CREATE INDEX reading_by_day ON reading (person, day, instant, metric, place);

-- What samples have in common, told once: whose they are and how far apart (seconds) …
CREATE TABLE series (
    id         BIGINT PRIMARY KEY,
    person     TEXT NOT NULL,
    metric     TEXT NOT NULL,
    resolution BIGINT NOT NULL,
    UNIQUE (person, metric, resolution)
);

-- … and the device they came from and the person's offset, in seconds east of UTC.
CREATE TABLE origin (
    id     BIGINT PRIMARY KEY,
    east   BIGINT NOT NULL,
    source TEXT
);

-- Samples: a number at an instant. There are millions, so the row is as small as it can be: with its key as the tree it
-- stands in, small numbers instead of words, and one time, that of the question it answered.
CREATE TABLE sample (
    series   BIGINT NOT NULL,
    instant  BIGINT NOT NULL,
    number   DOUBLE PRECISION NOT NULL,
    origin   BIGINT NOT NULL,
    asked    BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    beside   TEXT,
    PRIMARY KEY (series, instant)
) WITHOUT ROWID;

-- What changed of late, for destinations that take everything in the order in which it changed: one row for each metric
-- and civil day (`resolution`: of samples, how many seconds apart; else 0), with the number of its last change. `since` is
-- the earliest instant that changed and that not everybody has yet, `gone` whether something is no longer as or where it
-- was told.
CREATE TABLE changed (
    person     TEXT NOT NULL,
    metric     TEXT NOT NULL,
    day        TEXT NOT NULL,
    resolution BIGINT NOT NULL,
    since      BIGINT NOT NULL,
    gone       BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    PRIMARY KEY (person, metric, day, resolution)
) WITHOUT ROWID;

CREATE INDEX changed_by_number ON changed (number);

-- Up to which change a destination has everything.
CREATE TABLE position (
    destination TEXT PRIMARY KEY,
    number      BIGINT NOT NULL
);

-- When (Unix milliseconds) an endpoint was last asked successfully about a civil day of a person.
CREATE TABLE coverage (
    person   TEXT NOT NULL,
    provider TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    day      TEXT NOT NULL,
    asked    BIGINT NOT NULL,
    PRIMARY KEY (person, provider, endpoint, day)
) WITHOUT ROWID;

-- Work that one process does at a time.
CREATE TABLE lease (
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until  BIGINT NOT NULL
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
    name    TEXT,
    since   TEXT
);

-- In which time zone a person's days are that come after a day; the first zone has none ('') and holds for all before, too.
CREATE TABLE zone (
    person TEXT NOT NULL,
    after  TEXT NOT NULL,
    name   TEXT NOT NULL,
    PRIMARY KEY (person, after)
);

-- Of which of an organization's patients everything is that is kept of a person.
CREATE TABLE patient (
    person TEXT PRIMARY KEY,
    id     TEXT NOT NULL
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

-- What was asked for by command until it is withdrawn: `paused`, `reauthorize`.
CREATE TABLE wish (
    person TEXT NOT NULL,
    wish   TEXT NOT NULL,
    since  BIGINT NOT NULL,
    PRIMARY KEY (person, wish)
);

-- Stretches of the past that are to be complete, and how far each has come.
CREATE TABLE backfill (
    person  TEXT NOT NULL,
    first   TEXT NOT NULL,
    last    TEXT NOT NULL,
    metrics TEXT NOT NULL,
    own     BIGINT NOT NULL,
    began   BIGINT NOT NULL,
    done    BIGINT NOT NULL,
    todo    BIGINT,
    until   BIGINT,
    problem TEXT,
    ended   BIGINT,
    PRIMARY KEY (person, first, last, metrics)
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

-- Elements of Igor's database that exist because of us.
CREATE TABLE igor (
    path TEXT PRIMARY KEY
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
