-- The first consumer on a database pins it to its log; of a database that was pinned before topic ids
-- were kept, the first that knows the id adds it.
INSERT INTO log_topic AS l (cluster_id, topic, topic_id, partitions, consumer_group)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (singleton) DO UPDATE SET topic_id = coalesce(l.topic_id, excluded.topic_id)
RETURNING log_id, cluster_id, topic, topic_id, partitions, consumer_group
