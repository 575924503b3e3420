SELECT count(*) FROM access_log WHERE live
