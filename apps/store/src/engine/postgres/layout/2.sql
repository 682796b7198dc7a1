-- Layout 2 of a store in PostgreSQL: every row that a change concerns is looked up in the index. A join may read
-- the whole tree, because the planner takes an unknown tree for a small one.

-- Writes rows, and removes those whose value is null. Keys that begin with a byte of _watched are noted as
-- changed; all are if it is null.
CREATE OR REPLACE FUNCTION
dragoman_apply(_tree text, _keys bytea[], _values bytea[], _watched bytea, _origin bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM dragoman_lock(_tree);
    INSERT INTO dragoman_changes (tree, origin, keys, old, new)
    SELECT _tree, _origin, array_agg(c.key),
           array_agg((SELECT substring(r.value FROM 1 FOR 8) FROM dragoman_rows r
                      WHERE r.tree = _tree AND r.key = c.key)),
           array_agg(substring(c.value FROM 1 FOR 8))
    FROM unnest(_keys, _values) AS c(key, value)
    WHERE _watched IS NULL OR position(substring(c.key FROM 1 FOR 1) IN _watched) > 0
    HAVING count(*) > 0;
    IF array_position(_values, NULL) IS NOT NULL THEN
        DELETE FROM dragoman_rows r WHERE r.tree = _tree AND r.key = ANY (ARRAY(
            SELECT c.key FROM unnest(_keys, _values) AS c(key, value) WHERE c.value IS NULL));
    END IF;
    INSERT INTO dragoman_rows (tree, key, value)
    SELECT _tree, c.key, c.value FROM unnest(_keys, _values) AS c(key, value) WHERE c.value IS NOT NULL
    ON CONFLICT (tree, key) DO UPDATE SET value = EXCLUDED.value;
    PERFORM pg_notify('dragoman', current_schema() || ':' || _origin || ':' || _tree);
END $$;
