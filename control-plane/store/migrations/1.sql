CREATE TABLE events (
    revision  INTEGER PRIMARY KEY,
    at_ms     INTEGER NOT NULL,
    kind      TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    change    TEXT NOT NULL
) STRICT;
