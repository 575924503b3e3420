-- Cards that are inside of nothing and did nothing since.
DELETE FROM card_state
WHERE ctid = ANY (ARRAY(
    SELECT ctid
    FROM card_state,
         LATERAL (SELECT $1::text::date::timestamp AT TIME ZONE 'UTC' AS at) AS cut
    WHERE NOT true = ANY (inside) AND coalesce(locked_until, '-infinity') < cut.at
      AND NOT EXISTS (SELECT FROM unnest(since || entered_at || denied_at) AS at
                      WHERE at >= cut.at)
    LIMIT $2))
