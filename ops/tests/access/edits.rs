//! What each edit does, and what is refused with what to do instead.

use serde_json::json;

use crate::site::{Site, metrics};

const OFFICE: &str = r#"{ "time_zone": "Europe/Berlin", "weekly":
    [{ "days": ["mon", "tue"], "from": "07:00", "until": "19:00" }],
    "special_days": [{ "date": "2026-12-24", "open": [] }] }"#;

#[tokio::test]
async fn a_grant_adds_and_a_revoke_takes_away() {
    Site::with(async |site| {
        let said = site.do_it("grant a lab hall --until 2027-01-01");
        assert_eq!(
            said,
            "card a: version 1 is now 2\n  valid until: - -> 2027-01-01T00:00:00.000Z\n\
             permissions a: version 1 is now 2\n  zones: hall -> hall, lab\n"
        );
        assert_eq!(site.do_it("grant a lab"), "permissions a: is so already, version 2\n");
        site.do_it("revoke a hall");
        site.do_it("grant a --until never");
        let shown = site.json("show a");
        assert_eq!(
            shown,
            json!({
                "card": { "card_id": "a", "state": "enabled", "valid_from": null,
                          "valid_until": null, "version": 3 },
                "user_access": { "card_id": "a", "zones": ["lab"], "schedule_id": null,
                                 "version": 3 },
                "card_state": null
            })
        );
        site.do_it("revoke a --all");
        let history = site.json("history a");
        let zones: Vec<_> = history.as_array().unwrap().iter().map(|span| &span["zones"]).collect();
        assert_eq!(
            zones,
            [
                &json!(["hall"]),
                &json!(["hall", "lab"]),
                &json!(["lab"]),
                &json!(["lab"]),
                &json!([])
            ]
        );
        assert_eq!(
            (&history[4]["until"], &history[4]["card_version"]),
            (&json!("infinity"), &json!(3))
        );
        assert!(site.do_it("history a").lines().count() == 6);
    })
    .await;
}

#[tokio::test]
async fn the_history_says_by_whom() {
    Site::with(async |site| {
        // As typed in psql, by the command, and by an import.
        site.do_it("grant a lab");
        site.do_it("zone set lab --mode deny_all");
        let cards = site.file("cards.csv", "card_id,zones\na,hall\n");
        site.do_it(&format!("import {cards}"));
        let role: String =
            site.client.query_one("SELECT session_user::text", &[]).await.unwrap().get(0);
        let history = site.json("history a");
        let by = |span: &serde_json::Value| span["changed_by"].as_str().unwrap().to_owned();
        let by: Vec<String> = history.as_array().unwrap().iter().map(by).collect();
        assert_eq!(by[0], role);
        let command = &by[1];
        assert!(command.ends_with(&format!(" as {role}")), "{by:?}");
        assert_eq!(by[2], *command, "by the import");
        assert!(site.do_it("history a").contains(command.as_str()));
        for table in ["shared_history", "permission_change"] {
            let sql = format!("SELECT count(*) FROM {table} WHERE changed_by = '{command}'");
            assert!(site.number(&sql).await > 0, "{table}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_card_is_registered_only_if_that_was_said() {
    Site::with(async |site| {
        let refused = site.run("grant b lab");
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.err.contains("no such card; `gatelog access grant CARD ZONE --new`"));
        let done = site.json("grant b lab --new");
        assert_eq!(done["changes"][0]["outcome"], "added");
        assert_eq!(done["changes"][1]["after"]["zones"], json!(["lab"]));
        assert_eq!(done["metrics"], metrics("grant", 0, 0));
        for (line, wanted) in [
            ("grant a roof", "no such zone \"roof\"; `gatelog access zone list`"),
            ("grant a --schedule s", "no such schedule \"s\""),
            ("grant a --from 2027-01-01 --until 2026-01-01", "end before it begins"),
            ("revoke c hall", "no such card"),
            ("revoke a roof", "no such zone \"roof\""),
            ("block c", "no such card"),
            ("show c", "no such card"),
            ("history c", "no such card"),
            ("terminal set door-9 --zone lab", "no such terminal \"door-9\""),
            ("terminal set door-1 --zone roof", "no such zone \"roof\""),
            ("terminal show door-9", "--new --zone ZONE --direction in|out|both` registers it"),
            ("terminal delete door-9", "no such terminal"),
            ("zone set roof --mode normal", "--new with `zone set` registers it"),
            ("zone show roof", "no such zone"),
            ("schedule show s", "schedule set s FILE.json` makes it"),
            ("schedule delete s", "no such schedule"),
        ] {
            let refused = site.run(line);
            assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{line}: {refused:?}");
            assert!(refused.err.contains(wanted), "{line}: {refused:?}");
        }
        assert_eq!(site.number("SELECT count(*) FROM card").await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_card_is_blocked_and_enabled_again() {
    Site::with(async |site| {
        assert!(site.do_it("block a --state stolen").contains("state: enabled -> stolen"));
        assert!(site.do_it("show a").contains("state        stolen\n"));
        assert!(site.do_it("block a").contains("state: stolen -> blocked"));
        assert!(site.do_it("enable a --if-version 3").contains("version 3 is now 4"));
    })
    .await;
}

#[tokio::test]
async fn a_schedule_is_made_changed_shown_and_kept_while_a_card_has_it() {
    Site::with(async |site| {
        let office = site.file("office.json", OFFICE);
        site.do_it(&format!("schedule set office {office}"));
        let again = site.json(&format!("schedule set office {office}"));
        assert_eq!(again["changes"][0]["outcome"], "unchanged");
        site.do_it("grant a --schedule office");
        let shown = site.do_it("schedule show office");
        for wanted in ["office, version 1", "Europe/Berlin", "mon tue", "07:00 to 19:00", "closed"]
        {
            assert!(shown.contains(wanted), "{shown}");
        }
        assert_eq!(site.json("schedule list")[0]["cards"], 1);
        let kept = site.run("schedule delete office");
        assert!(kept.code == 2 && kept.err.contains("--no-schedule"), "{kept:?}");
        let conflict = site.run(&format!("schedule set office {office} --if-version 0"));
        assert_eq!(conflict.code, 4, "{conflict:?}");
        site.do_it("grant a --no-schedule");
        assert_eq!(
            site.do_it("schedule delete office"),
            "schedule office: deleted, was version 1\n"
        );

        let wrong = site.file("wrong.json", &OFFICE.replace("07:00", "7"));
        let refused = site.run(&format!("schedule set office {wrong}"));
        assert!(
            refused.code == 2 && refused.err.contains("weekly[0].from: must be"),
            "{refused:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_zone_takes_rules_and_gives_them_back() {
    Site::with(async |site| {
        site.do_it("zone set lab --antipassback hard --antipassback-timed 5m --lockout 5/1m/10m");
        let shown = site.do_it("zone show lab");
        for wanted in
            ["hard, two-way, 5m between entries", "5 denials in 1m: 10m", "version        2"]
        {
            assert!(shown.contains(wanted), "{wanted}: {shown}");
        }
        site.do_it(
            "zone set lab --antipassback-timed off --lockout off --antipassback-two-way false",
        );
        let zone = site.json("zone show lab");
        assert_eq!(
            (&zone["antipassback"], &zone["lockout_denials"]),
            (&json!("hard"), &json!(null))
        );
        assert_eq!((&zone["antipassback_two_way"], &zone["version"]), (&json!(false), &json!(3)));
        site.do_it("zone set roof --new --name Roof");
        site.do_it("terminal set door-9 --new --zone roof --direction both");
        assert_eq!(site.json("terminal list").as_array().unwrap().len(), 4);
        assert_eq!(site.json("terminal show door-9")["direction"], "both");
        site.do_it("terminal delete door-9 --if-version 1");
        assert_eq!(site.do_it("zone list").lines().count(), 4);
    })
    .await;
}

#[tokio::test]
async fn a_lockdown_is_one_command_one_transaction_and_one_tick() {
    Site::with(async |site| {
        let clock = "SELECT version FROM permission_clock";
        let before = site.number(clock).await;
        let done = site.json("zone set --all --mode deny_all");
        assert_eq!(done["changes"].as_array().unwrap().len(), 2);
        assert_eq!(site.number(clock).await, before + 1);
        assert_eq!(site.number("SELECT count(*) FROM zone WHERE mode <> 'deny_all'").await, 0);
        site.do_it("zone set --all --mode deny_all");
        assert_eq!(site.number(clock).await, before + 1, "a second one changes nothing");
        site.do_it("zone set --all --mode normal");
    })
    .await;
}

#[tokio::test]
async fn show_says_where_the_card_is() {
    Site::with(async |site| {
        site.client
            .batch_execute(
                "INSERT INTO card_state (card_id, zones, inside, since, entered_at, denied_at,
                     locked_from, locked_until)
                 VALUES ('a', '{hall,lab}', '{f,t}', '{2026-01-01Z,2026-01-02Z}',
                     '{NULL,2026-01-02Z}', '{}', '2026-01-03Z', '2026-01-04Z')",
            )
            .await
            .unwrap();
        let shown = site.do_it("show a");
        for wanted in ["inside lab since 2026-01-02", "left hall since", "until 2026-01-04"] {
            assert!(shown.contains(wanted), "{wanted}: {shown}");
        }
        let state = &site.json("show a")["card_state"];
        assert_eq!(state["zones"][0]["entered_at"], json!(null));
        assert_eq!(state["zones"][1]["inside"], true);
    })
    .await;
}

#[tokio::test]
async fn no_log_names_a_card_however_much_it_says() {
    Site::with(async |site| {
        site.do_it("grant personal lab --new");
        for line in ["grant personal hall", "show personal", "why personal door-1"] {
            let run = site.run_with(line, &[("GATELOG_LOG", "trace,tokio_postgres=trace")]);
            assert!(run.code == 0 && run.err.contains("preparing query"), "{run:?}");
            assert!(!run.err.contains("personal"), "{line}: {}", run.err);
        }
    })
    .await;
}
