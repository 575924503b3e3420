//! What a card is told, and what that stands on.

use serde_json::{Value, json};

use crate::site::Site;

fn reasons(answer: &Value) -> Vec<&str> {
    let reasons = answer["reasons"].as_array().unwrap();
    reasons.iter().map(|reason| reason["reason"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn granted_with_the_versions_that_it_stood_on() {
    Site::with(async |site| {
        let answer = site.json("why a door-1");
        assert_eq!((&answer["decision"], &answer["zone_id"]), (&json!("granted"), &json!("hall")));
        assert_eq!((&answer["direction"], &answer["late"]), (&json!("in"), &json!(false)));
        assert_eq!(answer["clock"], site.number("SELECT version FROM permission_clock").await);
        let rows = answer["stood_on"].as_array().unwrap();
        let rows: Vec<_> =
            rows.iter().map(|row| (row["kind"].as_str(), row["id"].as_str())).collect();
        let wanted =
            [("card", "a"), ("user_access", "a"), ("terminal", "door-1"), ("zone", "hall")];
        assert_eq!(rows, wanted.map(|(kind, id)| (Some(kind), Some(id))));
        let text = site.do_it("why a door-1");
        assert!(text.starts_with("granted: card a, terminal door-1, into hall, "), "{text}");
        let nowhere = site.run("why a door-9");
        assert!(nowhere.code == 2 && nowhere.err.contains("no such terminal"), "{nowhere:?}");
        let other_way = site.run("why a door-1 --direction out");
        assert!(other_way.code == 2 && other_way.err.contains("the other way"), "{other_way:?}");
    })
    .await;
}

#[tokio::test]
async fn each_reason_has_its_words() {
    Site::with(async |site| {
        let never = site.file("never.json", r#"{ "time_zone": "UTC" }"#);
        site.do_it(&format!("schedule set never {never}"));
        for (edit, reason, words, undo) in [
            ("block a --state lost", "credential_not_enabled", "the card is lost", "enable a"),
            (
                "grant a --from 2999-01-01",
                "credential_not_active",
                "valid from 2999-01-01",
                "grant a --from ever",
            ),
            (
                "grant a --until 2001-01-01",
                "credential_expired",
                "was valid until 2001-01-01",
                "grant a --until never",
            ),
            ("revoke a hall", "unauthorized", "zone hall is not on its list: -", "grant a hall"),
            (
                "grant a --schedule never",
                "not_permitted_at_this_time",
                "schedule never does not allow this time",
                "grant a --no-schedule",
            ),
            (
                "zone set hall --mode deny_all",
                "deny_all",
                "`gatelog access zone set hall --mode normal` ends it",
                "zone set hall --mode normal",
            ),
        ] {
            site.do_it(edit);
            let answer = site.json("why a door-1");
            assert_eq!(reasons(&answer), [reason], "{edit}");
            let text = answer["reasons"][0]["text"].as_str().unwrap();
            assert!(text.contains(words), "{edit}: {text}");
            assert!(site.do_it("why a door-1").contains(words), "{edit}");
            site.do_it(undo);
            assert_eq!(site.run("why a door-1 --exit-code").code, 0, "{undo}");
        }
        let stranger = site.json("why b door-1");
        assert_eq!(reasons(&stranger), ["credential_not_found"]);
        assert_eq!(site.run("why b door-1 --exit-code").code, 1);
    })
    .await;
}

#[tokio::test]
async fn all_reasons_are_there_in_precedence() {
    Site::with(async |site| {
        site.do_it("block a --state stolen");
        site.do_it("grant a --until 2001-01-01");
        site.do_it("zone set --all --mode deny_all");
        let answer = site.json("why a door-2");
        assert_eq!(
            reasons(&answer),
            ["credential_not_enabled", "credential_expired", "unauthorized", "deny_all"]
        );
        site.do_it("zone set --all --mode released");
        let fire = site.json("why a door-2");
        assert_eq!((&fire["decision"], &fire["released"]), (&json!("granted"), &json!(true)));
        assert!(site.do_it("why b door-2").contains("every read is granted"));
    })
    .await;
}

#[tokio::test]
async fn a_moment_of_the_past_is_decided_by_what_was_in_force_then() {
    Site::with(async |site| {
        let office = r#"{ "time_zone": "UTC" }"#;
        let office = site.file("office.json", office);
        site.do_it(&format!("schedule set office {office}"));
        let now = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC',
            'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')";
        let moment = async || -> String {
            // Stamps are finer than moments: a pause on both sides keeps them apart.
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            let at = site.client.query_one(now, &[]).await.unwrap().get(0);
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            at
        };
        let granted = moment().await;
        site.do_it("zone set hall --mode deny_all");
        let lockdown = moment().await;
        site.do_it("zone set hall --mode normal");
        site.do_it("grant a --schedule office");
        let closed = moment().await;
        site.do_it("terminal set door-1 --zone lab");
        site.do_it("block a");

        let at = |at: &str| site.json(&format!("why a door-1 --at {at}"));
        let then = at(&granted);
        assert_eq!((&then["decision"], &then["late"]), (&json!("granted"), &json!(true)));
        assert_eq!(reasons(&at(&lockdown)), ["deny_all"]);
        let closed = at(&closed);
        assert_eq!(reasons(&closed), ["not_permitted_at_this_time"]);
        let version = |kind: &str| {
            let rows = closed["stood_on"].as_array().unwrap();
            rows.iter().find(|row| row["kind"] == kind).map(|row| row["version"].as_i64().unwrap())
        };
        let kinds = ["card", "user_access", "terminal", "zone", "schedule"];
        assert_eq!(kinds.map(version), [Some(1), Some(2), Some(1), Some(3), Some(1)]);
        assert_eq!(closed["zone_id"], "hall");
        // The card has not changed since it was registered, its permissions have.
        let clocks = |answer: &Value| {
            let rows = &answer["stood_on"];
            (rows[0]["clock"].as_i64().unwrap(), rows[1]["clock"].as_i64().unwrap())
        };
        let (card, permissions) = clocks(&closed);
        assert_eq!(clocks(&then), (card, card));
        assert!(card < permissions, "{closed}");
        // Before the card there was none, and what lies ahead is decided by what stands.
        assert_eq!(reasons(&at("2001-01-01")), ["credential_not_found"]);
        let ahead = at("2999-01-01");
        assert_eq!((&ahead["late"], &ahead["zone_id"]), (&json!(false), &json!("lab")));
        assert_eq!(
            reasons(&ahead),
            ["credential_not_enabled", "unauthorized", "not_permitted_at_this_time"]
        );
    })
    .await;
}

#[tokio::test]
async fn anti_passback_and_lockout_are_judged_by_where_the_card_is() {
    Site::with(async |site| {
        site.do_it("grant a lab");
        site.do_it("zone set lab --antipassback hard --lockout 3/1m/10m");
        site.client
            .batch_execute(
                "INSERT INTO card_state (card_id, zones, inside, since, entered_at, denied_at,
                     locked_from, locked_until)
                 VALUES ('a', '{lab}', '{t}', '{2026-01-02Z}', '{2026-01-02Z}', '{}',
                     '2026-01-03Z', '2999-01-04Z')",
            )
            .await
            .unwrap();
        let inside = site.json("why a door-2");
        assert_eq!(reasons(&inside), ["antipassback", "lockout"]);
        let words = inside["reasons"][0]["text"].as_str().unwrap();
        assert_eq!(words, "the card is inside lab since 2026-01-02T00:00:00.000Z");
        let words = inside["reasons"][1]["text"].as_str().unwrap();
        assert!(words.contains("locked out until 2999-01-04"), "{words}");
        assert_eq!(reasons(&site.json("why a gate --direction out")), ["lockout"]);
        let unsaid = site.do_it("why a gate");
        assert!(unsaid.contains("anti-passback was not looked at"), "{unsaid}");
        // Elsewhere neither counts.
        assert_eq!(site.run("why a door-1 --exit-code").code, 0);
        site.do_it("zone set lab --antipassback soft --lockout off");
        let soft = site.json("why a door-2");
        assert_eq!(
            (&soft["decision"], &soft["antipassback_violated"]),
            (&json!("granted"), &json!(true))
        );
        assert!(
            soft["notes"][0].as_str().unwrap().starts_with("recorded only: the card is inside")
        );
    })
    .await;
}
