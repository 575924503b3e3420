-- Kinds: 0 the card and what it is locked for, 1 a visit, 2 a denial; each kind in its order.
INSERT INTO card_state AS s
    (card_id, zones, inside, since, entered_at, denied_at, locked_from, locked_until)
SELECT card_id,
       coalesce(array_agg(zone_id ORDER BY place) FILTER (WHERE kind = 1), '{}'),
       coalesce(array_agg(inside ORDER BY place) FILTER (WHERE kind = 1), '{}'),
       coalesce(array_agg(at ORDER BY place) FILTER (WHERE kind = 1), '{}'),
       coalesce(array_agg(other ORDER BY place) FILTER (WHERE kind = 1), '{}'),
       coalesce(array_agg(at ORDER BY place) FILTER (WHERE kind = 2), '{}'),
       max(at) FILTER (WHERE kind = 0),
       max(other) FILTER (WHERE kind = 0)
FROM unnest($1::text[], $2::int[], $3::text[], $4::boolean[], $5::timestamptz[],
            $6::timestamptz[]) WITH ORDINALITY
    AS t (card_id, kind, zone_id, inside, at, other, place)
GROUP BY card_id
ON CONFLICT (card_id) DO UPDATE
SET zones = excluded.zones, inside = excluded.inside, since = excluded.since,
    entered_at = excluded.entered_at, denied_at = excluded.denied_at,
    locked_from = excluded.locked_from, locked_until = excluded.locked_until
