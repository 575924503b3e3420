SELECT CASE WHEN phase LIKE 'waiting%' THEN phase || ' (' || lockers_done || '/' || lockers_total || ')'
            ELSE phase END,
       blocks_done, blocks_total
FROM pg_stat_progress_create_index
WHERE pid = $1
