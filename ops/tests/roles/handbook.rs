//! The commands of docs/roles.md, one after the other.

use std::process::Command;

use ops::roles::Role;

use crate::Stand;

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
