use crate::building::Building;

#[tokio::test]
async fn everything_that_analysts_see_is_explained() {
    Building::with(async |building| {
        let columns = "
            SELECT a.attrelid::regclass::text, a.attname
            FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
            WHERE a.attnum > 0 AND NOT a.attisdropped
              AND (c.relnamespace = 'analyst'::regnamespace OR c.oid = 'access_log'::regclass)
              AND col_description(a.attrelid, a.attnum) IS NULL";
        assert_eq!(building.ask(columns).await, [""; 0], "columns without a comment");
        let relations = "
            SELECT oid::regclass::text FROM pg_class
            WHERE relnamespace = 'analyst'::regnamespace AND relkind <> 'c'
              AND obj_description(oid, 'pg_class') IS NULL";
        assert_eq!(building.ask(relations).await, [""; 0], "views without a comment");
        let functions = "
            SELECT oid::regprocedure::text FROM pg_proc
            WHERE pronamespace = 'analyst'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL";
        assert_eq!(building.ask(functions).await, [""; 0], "functions without a comment");
        let views = "SELECT count(*) FROM pg_class
                     WHERE relnamespace = 'analyst'::regnamespace AND relkind = 'v'";
        assert_eq!(building.ask(views).await, ["13"], "the ones that were looked at");
    })
    .await;
}
