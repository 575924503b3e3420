-- A role as it stands: whether it may do more than ours, and which of ours it is in.
SELECT r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
           OR r.rolname = current_user
           OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid) AS is_more,
       ARRAY(SELECT g.rolname FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid
             WHERE a.member = r.oid AND g.rolname = ANY ($2::text[])) AS roles
FROM pg_roles r
WHERE r.rolname = $1
