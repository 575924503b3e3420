//! The commands of docs/roles.md, one after the other.

use std::process::Command;

use ops::roles::Role;

use crate::Stand;

/// What is printed is what is applied: it runs as it is, and needs no server to be printed.
#[tokio::test]
async fn the_printed_script_is_the_applied_one() {
    Stand::with(async |stand| {
        let output = Command::new(env!("CARGO_BIN_EXE_gatelog"))
            .arg("roles")
            .env("GATELOG_POSTGRES", "postgres://me:hunter2@127.0.0.1:1/none")
            .output()
            .unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.starts_with("BEGIN;\n") && script.ends_with("COMMIT;\n"), "{script}");
        let acl = "SELECT string_agg(concat(c.oid, c.relacl), ',' ORDER BY c.oid) FROM pg_class c
            WHERE c.relnamespace IN ('public'::regnamespace, 'analyst'::regnamespace)";
        let before: String = stand.owner.query_one(acl, &[]).await.unwrap().get(0);
        stand.owner.batch_execute("GRANT ALL ON card TO gatelog_reader").await.unwrap();
        stand.owner.batch_execute(&script).await.unwrap();
        let after: String = stand.owner.query_one(acl, &[]).await.unwrap().get(0);
        assert_eq!(sorted(&before), sorted(&after));
    })
    .await;
}

/// Grants of a table stand in the order in which they were made.
fn sorted(acl: &str) -> Vec<&str> {
    let mut entries: Vec<&str> = acl.split(['{', '}', ',']).collect();
    entries.sort_unstable();
    entries
}

#[tokio::test]
async fn its_commands_work() {
    Stand::with(async |stand| {
        let file = format!("{}/{}", env!("CARGO_TARGET_TMPDIR"), stand.name(Role::Reader));
        std::fs::write(&file, "correct horse battery\n").unwrap();
        let (consumer, anna) = (stand.name(Role::Writer), stand.name(Role::Operator));
        let page = include_str!("../../../docs/roles.md");
        let mut tried = 0;
        for block in page.split("```sh\n").skip(1) {
            for line in block.split("```").next().unwrap().lines() {
                let line = line.replace("consumer.password", &file).replace("anna.password", &file);
                let line = line.replace("login consumer ", &format!("login {consumer} "));
                let line = line.replace("login anna ", &format!("login {anna} "));
                let mut words = line.split(' ');
                assert_eq!(words.next(), Some("gatelog"));
                let output = Command::new(env!("CARGO_BIN_EXE_gatelog"))
                    .args(words)
                    .env("GATELOG_POSTGRES", stand.database.url())
                    .output()
                    .unwrap();
                assert!(output.status.success(), "{line}: {output:?}");
                tried += 1;
            }
        }
        std::fs::remove_file(file).unwrap();
        assert_eq!(tried, 4);
    })
    .await;
}
