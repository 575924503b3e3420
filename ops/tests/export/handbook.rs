//! The commands of docs/lake.md, and the files that it says they make.

use std::process::Command;

use crate::Stand;

#[tokio::test]
async fn its_commands_make_its_files() {
    Stand::with(async |stand| {
        let page = include_str!("../../../docs/lake.md");
        let out = stand.out.to_str().unwrap();
        let mut tried = 0;
        let commands = page.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
        for line in commands.lines() {
            let line = line.replace("--out lake", &format!("--out {out}"));
            let output = Command::new(env!("CARGO_BIN_EXE_gatelog"))
                .args(line.split(' ').skip(1))
                .env("GATELOG_POSTGRES", stand.database.url())
                .output()
                .unwrap();
            assert!(output.status.success(), "{line}: {output:?}");
            tried += 1;
        }
        let files = page.split("```\n").find(|block| block.starts_with("lake/")).unwrap();
        for file in files.lines() {
            let path = file.replacen("lake", out, 1);
            assert!(std::path::Path::new(&path).exists(), "{path}");
            tried += 1;
        }
        assert_eq!(tried, 4);
    })
    .await;
}
