SELECT ensure_day(date 'epoch' + d) FROM unnest($1::int[]) AS d
