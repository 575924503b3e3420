//! Logins, and where their passwords do not go.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use ops::roles::{Role, login};
use settings::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{PASSWORD, Stand};

/// Hands all on to `to`, and keeps what went there.
async fn overheard(to: String) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keeping = heard.clone();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let server = TcpStream::connect(to).await.unwrap();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        let mut bytes = [0; 4_096];
        while let Ok(read @ 1..) = from_client.read(&mut bytes).await {
            keeping.lock().unwrap().extend_from_slice(&bytes[..read]);
            to_server.write_all(&bytes[..read]).await.unwrap();
        }
    });
    (address, heard)
}

#[tokio::test]
async fn the_server_never_sees_the_password() {
    Stand::with(async |stand| {
        let url = stand.database.url();
        let (before, rest) = url.rsplit_once('@').unwrap();
        let (server, database) = rest.split_once('/').unwrap();
        let (address, heard) = overheard(server.to_owned()).await;
        let mut settings = stand.settings.clone();
        settings.postgres.url = Secret::new(format!("{before}@{address}/{database}"));
        let name = stand.name(Role::Reader);
        let password = Secret::new("another horse altogether");
        login::login(&settings, &name, &[Role::Reader], &password).await.unwrap();
        let heard = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
        assert!(heard.contains("PASSWORD 'SCRAM-SHA-256$4096:"), "{heard}");
        assert!(!heard.contains("horse"), "{heard}");
        let sql = "SELECT rolpassword FROM pg_authid WHERE rolname = $1";
        let kept: String = stand.owner.query_one(sql, &[&name]).await.unwrap().get(0);
        assert!(heard.contains(&kept));
    })
    .await;
}

#[tokio::test]
async fn the_verifier_is_the_passwords() {
    Stand::with(async |stand| {
        let name = stand.name(Role::Reader);
        // The development server trusts everyone: for this one role it is to ask.
        let show = "SELECT setting FROM pg_settings WHERE name = 'hba_file'";
        let file: String = stand.owner.query_one(show, &[]).await.unwrap().get(0);
        let rules: String =
            stand.owner.query_one("SELECT pg_read_file($1)", &[&file]).await.unwrap().get(0);
        let put = async |rules: &str| {
            std::fs::write(&file, rules).unwrap();
            stand.owner.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        };
        let is_ours = std::fs::read_to_string(&file).is_ok_and(|found| found == rules);
        let trusts = stand.database.connect_as(&name, "wrong password").await.is_ok();
        assert!(is_ours || !trusts, "a server elsewhere that asks for no password");
        if trusts {
            put(&format!("host all \"{name}\" all scram-sha-256\n{rules}")).await;
            until_asked(stand, &name).await;
        }
        let right = stand.database.connect_as(&name, PASSWORD).await;
        let wrong = stand.database.connect_as(&name, "correct horse batterz").await;
        if trusts {
            put(&rules).await;
        }
        right.unwrap();
        assert_eq!(wrong.unwrap_err().code().unwrap().code(), "28P01");
    })
    .await;
}

/// The server reads its rules anew some moments after it is told to.
async fn until_asked(stand: &Stand, name: &str) {
    let asked = async {
        while stand.database.connect_as(name, "wrong password").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), asked).await.unwrap();
}

#[tokio::test]
async fn a_login_is_changed_and_who_may_do_more_is_left_alone() {
    Stand::with(async |stand| {
        let (name, password) = (stand.name(Role::Reader), Secret::new(PASSWORD));
        let both = [Role::Writer, Role::Operator];
        let report = login::login(&stand.settings, &name, &both, &password).await.unwrap();
        assert_eq!(
            (report.made, report.roles),
            (false, vec!["gatelog_writer", "gatelog_operator"])
        );
        let session = stand.session(Role::Reader).await;
        session.batch_execute("SELECT * FROM consumer_offset").await.unwrap();
        let is_in = "SELECT pg_has_role($1, 'gatelog_reader', 'MEMBER')";
        assert!(!stand.owner.query_one(is_in, &[&name]).await.unwrap().get::<_, bool>(0));

        let owner: String =
            stand.owner.query_one("SELECT current_user::text", &[]).await.unwrap().get(0);
        for name in [owner.as_str(), "gatelog_writer", "pg_monitor"] {
            let error = login::login(&stand.settings, name, &both, &password).await.unwrap_err();
            assert_eq!(error.exit_code(), 2, "{name}: {error}");
        }
    })
    .await;
}

/// The command itself: the password from a pipe, and in nothing that it prints.
#[tokio::test]
async fn the_command_reads_the_password_from_a_pipe() {
    Stand::with(async |stand| {
        let name = stand.name(Role::Operator);
        let mut child = Command::new(env!("CARGO_BIN_EXE_gatelog"))
            .args(["roles", "login", &name, "--in", "operator", "--json"])
            .env("GATELOG_POSTGRES", stand.database.url())
            .env("GATELOG_LOG", "trace")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"swordfish and chips\n").unwrap();
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(output.status.success() && said[0].contains("gatelog_operator"), "{said:?}");
        assert!(!said.concat().contains("swordfish"), "{said:?}");
    })
    .await;
}
