-- Layout 3 of a store in PostgreSQL: counts of requests, which servers add up.

-- A row is the number or the debt of one caller, and the moment when it is forgotten or paid. Nothing is lost that
-- matters when a crash empties the table. The free space in each page is for the versions of rows that change often.
CREATE UNLOGGED TABLE dragoman_limits (
    name text COLLATE "C" PRIMARY KEY,
    kind smallint NOT NULL,
    count bigint NOT NULL,
    until timestamptz NOT NULL
) WITH (fillfactor = 50);
