SELECT g.rolname AS role,
       coalesce(array_agg(m.rolname ORDER BY m.rolname) FILTER (WHERE m.rolname IS NOT NULL), '{}') AS members
FROM pg_roles g
LEFT JOIN pg_auth_members a ON a.roleid = g.oid
LEFT JOIN pg_roles m ON m.oid = a.member
WHERE g.rolname IN ('gatelog_reader', 'gatelog_writer', 'gatelog_operator')
  -- Whoever made a role is in it, to administer it: nothing is inherited by that.
  AND (a.inherit_option IS NOT FALSE OR a.set_option IS NOT FALSE)
GROUP BY g.rolname
ORDER BY g.rolname
