use crate::building::{Building, Swipe};

fn swipe<'a>(at: &'a str, card: &'a str, terminal: &'a str) -> Swipe<'a> {
    Swipe::new(at, card, terminal)
}

/// Who is where at a moment: card, zone, since when, and whether it is the innermost.
async fn inside(building: &Building, at: &str, look_back: &str) -> Vec<String> {
    let sql = format!(
        "SELECT card_id, zone_id, to_char(since, 'DD HH24:MI'), is_innermost
         FROM analyst.presence('{at}', '{look_back}') ORDER BY card_id, since"
    );
    building.ask(&sql).await
}

#[tokio::test]
async fn zones_lie_in_one_another() {
    Building::with(async |mut building| {
        building
            .swipes(&[
                swipe("2016-03-01 08:00", "a", "h-in"),
                swipe("2016-03-01 09:00", "a", "l").way("in"),
                swipe("2016-03-01 10:00", "a", "l").way("out"),
                swipe("2016-03-01 17:00", "a", "h-out"),
                swipe("2016-03-01 08:00", "b", "h-in"),
                swipe("2016-03-01 09:00", "b", "l").way("in"),
                // Its way out of the laboratory is missing: it has left both all the same.
                swipe("2016-03-01 17:00", "b", "h-out"),
            ])
            .await;
        let at = async |time: &str| inside(&building, &format!("2016-03-01 {time}"), "1 day").await;
        assert_eq!(at("07:59:59.999").await, [""; 0]);
        assert_eq!(
            at("08:00").await,
            ["a hall 01 08:00 t", "b hall 01 08:00 t"],
            "the moment counts"
        );
        assert_eq!(
            at("09:30").await,
            ["a hall 01 08:00 f", "a lab 01 09:00 t", "b hall 01 08:00 f", "b lab 01 09:00 t"]
        );
        assert_eq!(
            at("16:00").await,
            ["a hall 01 08:00 t", "b hall 01 08:00 f", "b lab 01 09:00 t"],
            "who leaves the inner zone is in the outer one still"
        );
        assert_eq!(at("17:00").await, [""; 0]);
        let stays = "SELECT card_id, zone_id, to_char(entered_at, 'HH24:MI'), \
                            to_char(left_at, 'HH24:MI'), ended_by, stayed
                     FROM analyst.dwell WHERE day = '2016-03-01' ORDER BY card_id, entered_at";
        assert_eq!(
            building.ask(stays).await,
            [
                "a hall 08:00 17:00 out 09:00:00",
                "a lab 09:00 10:00 out 01:00:00",
                "b hall 08:00 17:00 out 09:00:00",
                "b lab 09:00 17:00 elsewhere 08:00:00",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn a_zone_without_a_way_out_is_left_by_any_pass_elsewhere() {
    Building::with(async |mut building| {
        building
            .swipes(&[
                swipe("2016-03-01 08:00", "a", "h-in"),
                swipe("2016-03-01 12:00", "a", "b"),
                swipe("2016-03-01 12:30", "a", "l").way("in"),
                swipe("2016-03-01 12:00", "b", "b"),
                swipe("2016-03-01 13:00", "b", "b"),
                swipe("2016-03-01 12:00", "c", "b"),
                // Where it came in nobody has seen: it is out of there, and so of the bar.
                swipe("2016-03-01 12:10", "c", "h-out"),
            ])
            .await;
        assert_eq!(
            inside(&building, "2016-03-01 12:05", "1 day").await,
            ["a hall 01 08:00 f", "a bar 01 12:00 t", "b bar 01 12:00 t", "c bar 01 12:00 t"]
        );
        assert_eq!(
            inside(&building, "2016-03-01 14:00", "1 day").await,
            ["a hall 01 08:00 f", "a lab 01 12:30 t", "b bar 01 13:00 t"]
        );
        let stays = "SELECT card_id, to_char(entered_at, 'HH24:MI'), to_char(left_at, 'HH24:MI'), \
                            ended_by
                     FROM analyst.dwell WHERE day = '2016-03-01' AND zone_id = 'bar' ORDER BY 1, 2";
        let wanted = [
            "a 12:00 12:30 elsewhere",
            "b 12:00 13:00 again",
            "b 13:00 - -",
            "c 12:00 12:10 elsewhere",
        ];
        assert_eq!(building.ask(stays).await, wanted);
    })
    .await;
}

#[tokio::test]
async fn only_passes_move_a_card() {
    Building::with(async |mut building| {
        let locally =
            |swipe: Swipe<'static>, granted| Swipe { locally_granted: Some(granted), ..swipe };
        building
            .swipes(&[
                swipe("2016-03-01 08:00", "denied", "h-in").denied(16),
                swipe("2016-03-01 08:00", "in-denied-out", "h-in"),
                swipe("2016-03-01 09:00", "in-denied-out", "h-out").denied(64),
                // Nobody says which way: it moves nobody.
                swipe("2016-03-01 08:00", "no-way", "l"),
                // The door opened to it, whatever we say of it days later; and not to the other.
                locally(swipe("2016-03-01 08:00", "opened", "h-in").denied(16), true),
                locally(swipe("2016-03-01 08:00", "shut", "h-in"), false),
                // A terminal of one direction knows better than what its events say.
                swipe("2016-03-01 08:00", "wrong-way", "h-in").way("out"),
            ])
            .await;
        building.collision(&swipe("2016-03-01 08:00", "in-denied-out", "b"), 1).await;
        assert_eq!(
            inside(&building, "2016-03-01 10:00", "1 day").await,
            [
                "in-denied-out hall 01 08:00 t",
                "opened hall 01 08:00 t",
                "wrong-way hall 01 08:00 t"
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn late_rows_count_from_when_they_occurred() {
    Building::with(async |mut building| {
        building.swipes(&[swipe("2016-03-01 17:00", "a", "h-out")]).await;
        assert_eq!(inside(&building, "2016-03-01 12:00", "1 day").await, [""; 0]);
        // The terminal of the way in comes back from being offline, five days later.
        building.swipes(&[swipe("2016-03-01 08:00", "a", "h-in")]).await;
        assert_eq!(inside(&building, "2016-03-01 12:00", "1 day").await, ["a hall 01 08:00 t"]);
        assert_eq!(inside(&building, "2016-03-01 18:00", "1 day").await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn midnight_ends_nothing_and_the_look_back_does() {
    Building::with(async |mut building| {
        building
            .swipes(&[
                swipe("2016-03-01 22:00", "night", "h-in"),
                swipe("2016-03-02 06:00", "night", "h-out"),
                swipe("2016-03-02 22:00", "night", "h-in"),
                swipe("2016-03-01 08:00", "forgot", "h-in"),
            ])
            .await;
        assert_eq!(
            inside(&building, "2016-03-02 01:00", "1 day").await,
            ["forgot hall 01 08:00 t", "night hall 01 22:00 t"]
        );
        assert_eq!(inside(&building, "2016-03-02 01:00", "3 hours").await, [""; 0], "exclusive");
        assert_eq!(
            inside(&building, "2016-03-02 01:00", "3:00:01").await,
            ["night hall 01 22:00 t"]
        );
        assert_eq!(
            inside(&building, "2016-03-02 09:00", "1 day").await,
            [""; 0],
            "whoever forgot to leave is not there for ever"
        );
        let stays = "SELECT day, card_id, to_char(left_at, 'DD HH24:MI'), stayed
                     FROM analyst.dwell WHERE day BETWEEN '2016-03-01' AND '2016-03-02'
                     ORDER BY 1, 2, 3";
        assert_eq!(
            building.ask(stays).await,
            ["2016-03-01 forgot - -", "2016-03-01 night 02 06:00 08:00:00", "2016-03-02 night - -"]
        );
        let both = "SELECT card_id, stayed FROM
                    analyst.dwell_between('2016-03-01 12:00', '2016-03-02 12:00', '10 hours')";
        assert_eq!(building.ask(both).await, ["night 08:00:00"]);
        let days = "SELECT day, to_char(first_in_at, 'HH24:MI'), to_char(last_out_at, 'HH24:MI'), \
                           to_char(last_pass_at, 'HH24:MI'), passes
                    FROM analyst.first_in_last_out WHERE card_id = 'night' ORDER BY day";
        assert_eq!(
            building.ask(days).await,
            ["2016-03-01 22:00 - 22:00 1", "2016-03-02 22:00 06:00 22:00 2"]
        );
        let shift = "SELECT to_char(first_in_at, 'DD HH24:MI'), to_char(last_out_at, 'DD HH24:MI')
                     FROM analyst.first_in_last_out_between('2016-03-01 12:00', '2016-03-02 12:00')
                     WHERE card_id = 'night'";
        assert_eq!(building.ask(shift).await, ["01 22:00 02 06:00"]);
    })
    .await;
}

#[tokio::test]
async fn a_terminal_counts_as_it_was_registered_then() {
    Building::with(async |mut building| {
        building.swipes(&[swipe("2016-03-01 08:00", "a", "h-in")]).await;
        // Turned round now, and then taken away: what was read before stays a way in.
        for change in [
            "UPDATE terminal SET direction = 'out' WHERE terminal_id = 'h-in'",
            "DELETE FROM terminal WHERE terminal_id = 'h-in'",
        ] {
            building.db.batch_execute(change).await.unwrap();
            let found = inside(&building, "2016-03-01 12:00", "1 day").await;
            assert_eq!(found, ["a hall 01 08:00 t"], "{change}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_card_is_in_sixteen_zones_at_most() {
    Building::with(async |building| {
        let sql = "
            SELECT cardinality((w).zones), (w).zones[1], (w).left_zones
            FROM (SELECT analyst.whereabouts_of('z' || i, 'in', true, now() ORDER BY i) AS w
                  FROM generate_series(1, 17) i) t";
        assert_eq!(building.ask(sql).await, ["16 z2 {z1}"]);
    })
    .await;
}
