INSERT INTO log_topic (cluster_id, topic, partitions, consumer_group)
VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
