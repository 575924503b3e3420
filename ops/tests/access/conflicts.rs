//! Somebody else was faster.

use serde_json::json;

use crate::site::{Site, metrics};

#[tokio::test]
async fn a_conflict_shows_both_versions_and_exits_with_4() {
    Site::with(async |site| {
        site.do_it("grant a lab");
        let conflict = site.run("revoke a hall --if-version 1");
        assert_eq!((conflict.code, conflict.out.as_str()), (4, ""));
        for wanted in [
            "version 1 of permissions was expected, version 2 is there; nothing was written",
            "zones        hall      hall, lab",
            "--if-version 2",
        ] {
            assert!(conflict.err.contains(wanted), "{wanted}: {conflict:?}");
        }
        assert_eq!(
            site.json("revoke a hall --if-version 1"),
            json!({
                "conflict": {
                    "kind": "user_access", "expected_version": 1, "found_version": 2,
                    "expected": { "zones": ["hall"], "schedule_id": null, "version": 1 },
                    "found": { "zones": ["hall", "lab"], "schedule_id": null, "version": 2 }
                },
                "metrics": metrics("revoke", 1, 0)
            })
        );
        site.do_it("revoke a hall --if-version 2");
    })
    .await;
}

#[tokio::test]
async fn every_kind_has_its_version() {
    Site::with(async |site| {
        let schedule = site.file("s.json", r#"{ "time_zone": "UTC" }"#);
        site.do_it(&format!("schedule set s {schedule}"));
        for (edit, kind) in [
            ("block a".to_owned(), "card"),
            ("grant a lab".to_owned(), "user_access"),
            ("zone set lab --mode deny_all".to_owned(), "zone"),
            ("terminal set gate --direction in".to_owned(), "terminal"),
            ("terminal delete gate".to_owned(), "terminal"),
            (format!("schedule set s {schedule}"), "schedule"),
            ("schedule delete s".to_owned(), "schedule"),
        ] {
            let answer = site.json(&format!("{edit} --if-version 9"));
            let conflict = &answer["conflict"];
            assert_eq!(conflict["kind"], kind, "{edit}");
            assert_eq!(conflict["expected_version"], 9, "{edit}");
            assert_eq!(
                (&conflict["found_version"], &conflict["expected"]),
                (&json!(1), &json!(null))
            );
            assert!(conflict["found"].is_object(), "{edit}: {answer}");
        }
        // A row that is not there yet has the version 0.
        assert_eq!(site.run("zone set roof --new --name R --if-version 3").code, 4);
        site.do_it("zone set roof --new --name R --if-version 0");
        assert_eq!(site.run("zone set roof --name S --if-version 0").code, 4);
    })
    .await;
}

#[tokio::test]
async fn what_changed_while_the_edit_waited_is_read_again() {
    Site::with(async |site| {
        let mut other = site.connect().await;
        let open = other.transaction().await.unwrap();
        open.batch_execute("UPDATE user_access SET zones = '{hall,roof}'").await.unwrap();
        let grant = site.start("grant a lab --json");
        site.until_blocked().await;
        open.commit().await.unwrap();
        let done = grant.await.unwrap();
        assert_eq!(done.code, 0, "{done:?}");
        let done: serde_json::Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(done["metrics"], metrics("grant", 1, 1));
        assert_eq!(done["changes"][0]["after"]["zones"], json!(["hall", "lab", "roof"]));

        // With a version that was seen, it is the end of it.
        let open = other.transaction().await.unwrap();
        open.batch_execute("UPDATE user_access SET zones = '{}'").await.unwrap();
        let grant = site.start("revoke a hall --if-version 3");
        site.until_blocked().await;
        open.commit().await.unwrap();
        let conflict = grant.await.unwrap();
        assert_eq!(conflict.code, 4, "{conflict:?}");
        assert!(conflict.err.contains("version 4 is there"), "{conflict:?}");
    })
    .await;
}

#[tokio::test]
async fn grants_of_many_at_once_all_take_effect() {
    Site::with(async |site| {
        for n in 0..4 {
            site.do_it(&format!("zone set z{n} --new"));
        }
        let grants: Vec<_> = (0..4).map(|n| site.start(&format!("grant a z{n}"))).collect();
        for grant in grants {
            let done = grant.await.unwrap();
            assert_eq!(done.code, 0, "{done:?}");
        }
        let shown = site.json("show a");
        assert_eq!(shown["user_access"]["zones"], json!(["hall", "z0", "z1", "z2", "z3"]));
        assert_eq!(shown["user_access"]["version"], 5);
    })
    .await;
}

#[tokio::test]
async fn conflicts_and_retries_are_counted_in_a_file_from_run_to_run() {
    Site::with(async |site| {
        let file = site.file("gatelog.prom", "");
        let with = [("GATELOG_OPS_METRICS__FILE", file.as_str())];
        let mut other = site.connect().await;
        let open = other.transaction().await.unwrap();
        open.batch_execute("UPDATE user_access SET zones = '{hall,roof}'").await.unwrap();
        let grant = site.start(&format!("grant a lab --metrics {file}"));
        site.until_blocked().await;
        open.commit().await.unwrap();
        assert_eq!(grant.await.unwrap().code, 0);
        assert_eq!(site.run_with("revoke a hall --if-version 1", &with).code, 4);
        assert_eq!(site.run_with("grant a hall", &with).code, 0);
        // It reads only.
        assert_eq!(site.run_with("show a", &with).code, 0);

        let text = std::fs::read_to_string(&file).unwrap();
        for line in [
            "optimistic_lock_failure_total{operation=\"grant\",reason=\"version_mismatch\"} 1",
            "optimistic_lock_failure_total{operation=\"revoke\",reason=\"version_mismatch\"} 1",
            "optimistic_lock_failure_rate{operation=\"grant\"} 0",
            "optimistic_lock_retry_count_bucket{operation=\"grant\",le=\"0\"} 1",
            "optimistic_lock_retry_count_count{operation=\"grant\"} 2",
            "optimistic_lock_retry_count_sum{operation=\"grant\"} 1",
            "optimistic_lock_retry_count_count{operation=\"revoke\"} 1",
            "optimistic_lock_retry_count_sum{operation=\"revoke\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn where_the_metrics_cannot_be_written_the_edit_is_made_all_the_same() {
    Site::with(async |site| {
        let done = site.run("grant a lab --metrics /nowhere/gatelog.prom");
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.err.contains("metrics were not written to /nowhere/gatelog.prom"), "{done:?}");
        assert_eq!(site.json("show a")["user_access"]["zones"], json!(["hall", "lab"]));
    })
    .await;
}
