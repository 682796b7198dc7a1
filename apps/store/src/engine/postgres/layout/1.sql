-- Layout 1 of a store in PostgreSQL.

CREATE TABLE dragoman_rows (
    tree text COLLATE "C" NOT NULL,
    key bytea NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (tree, key)
);

-- What was changed, for the memory of other replicas: keys, and the first bytes of what was there before
-- and is there now; no keys where the whole tree was emptied. Within a tree ids are in the order of the
-- commits, because whoever changes a tree holds its lock.
CREATE TABLE dragoman_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tree text COLLATE "C" NOT NULL,
    origin bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    keys bytea[],
    old bytea[],
    new bytea[]
);
CREATE INDEX dragoman_changes_of_tree ON dragoman_changes (tree, id);

-- Waits until no other transaction changes the tree, and keeps others out until this one ends.
CREATE FUNCTION dragoman_lock(_tree text) RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ':' || _tree, 7236827));
$$;

-- Writes rows, and removes those whose value is null. Keys that begin with a byte of _watched are noted as
-- changed; all are if it is null.
CREATE FUNCTION dragoman_apply(_tree text, _keys bytea[], _values bytea[], _watched bytea, _origin bigint)
RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    PERFORM dragoman_lock(_tree);
    INSERT INTO dragoman_changes (tree, origin, keys, old, new)
    SELECT _tree, _origin, array_agg(c.key), array_agg(substring(r.value FROM 1 FOR 8)),
           array_agg(substring(c.value FROM 1 FOR 8))
    FROM unnest(_keys, _values) AS c(key, value)
    LEFT JOIN dragoman_rows r ON r.tree = _tree AND r.key = c.key
    WHERE _watched IS NULL OR position(substring(c.key FROM 1 FOR 1) IN _watched) > 0
    HAVING count(*) > 0;
    DELETE FROM dragoman_rows r USING unnest(_keys, _values) AS c(key, value)
    WHERE c.value IS NULL AND r.tree = _tree AND r.key = c.key;
    INSERT INTO dragoman_rows (tree, key, value)
    SELECT _tree, c.key, c.value FROM unnest(_keys, _values) AS c(key, value) WHERE c.value IS NOT NULL
    ON CONFLICT (tree, key) DO UPDATE SET value = EXCLUDED.value;
    PERFORM pg_notify('dragoman', current_schema() || ':' || _origin || ':' || _tree);
END $$;

-- Removes all rows of a tree.
CREATE FUNCTION dragoman_clear(_tree text, _origin bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM dragoman_lock(_tree);
    DELETE FROM dragoman_rows WHERE tree = _tree;
    INSERT INTO dragoman_changes (tree, origin) VALUES (_tree, _origin);
    PERFORM pg_notify('dragoman', current_schema() || ':' || _origin || ':' || _tree);
END $$;
