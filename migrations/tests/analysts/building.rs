use test_database::Database;
use tokio_postgres::{Client, SimpleQueryMessage};

/// A hall that is entered and left by readers of its own, a laboratory in it whose only reader is
/// for both ways, and a bar that nobody is seen to leave.
const BUILDING: &str = "
    UPDATE retention SET oldest_day = '2016-01-01';
    INSERT INTO zone VALUES ('hall', 'Hall'), ('lab', 'Laboratory'), ('bar', 'Bar');
    INSERT INTO terminal VALUES
        ('h-in', 'hall', 'in'), ('h-out', 'hall', 'out'), ('l', 'lab', 'both'), ('b', 'bar', 'in');
    SELECT ensure_day(day::date) FROM generate_series('2016-03-01'::date, '2016-03-05', '1 day') day;
";

/// A session on a database of its own with that building in it.
pub(crate) struct Building {
    pub(crate) db: Client,
    offset: i64,
}

/// One swipe: granted, late and from an offline terminal, unless something else is said.
#[derive(Clone, Copy)]
pub(crate) struct Swipe<'a> {
    pub(crate) at: &'a str,
    pub(crate) card: &'a str,
    pub(crate) terminal: &'a str,
    pub(crate) direction: Option<&'a str>,
    pub(crate) reasons: i16,
    pub(crate) notes: i16,
    pub(crate) locally_granted: Option<bool>,
    pub(crate) online: bool,
    pub(crate) received_at: &'a str,
    pub(crate) age_ms: Option<i64>,
}

impl<'a> Swipe<'a> {
    pub(crate) fn new(at: &'a str, card: &'a str, terminal: &'a str) -> Self {
        Self {
            at,
            card,
            terminal,
            direction: None,
            reasons: 0,
            notes: 0,
            locally_granted: None,
            online: false,
            received_at: "2016-03-06",
            age_ms: None,
        }
    }

    pub(crate) fn way(self, direction: &'a str) -> Self {
        Self { direction: Some(direction), ..self }
    }

    pub(crate) fn denied(self, reasons: i16) -> Self {
        Self { reasons, ..self }
    }

    fn zone(&self) -> &'static str {
        match self.terminal {
            "l" => "lab",
            "b" => "bar",
            _ => "hall",
        }
    }
}

impl Building {
    pub(crate) async fn with(test: impl AsyncFnOnce(Self)) {
        Database::with(async |database| {
            let db = database.connect().await;
            db.batch_execute("SET timezone = 'UTC'").await.unwrap();
            db.batch_execute(BUILDING).await.unwrap();
            test(Self { db, offset: 0 }).await;
        })
        .await;
    }

    /// Writes rows as a consumer would.
    pub(crate) async fn swipes(&mut self, swipes: &[Swipe<'_>]) {
        for swipe in swipes {
            self.write("access_log", "", "", swipe).await;
        }
    }

    /// Writes a swipe that collided with the row at `row_offset`.
    pub(crate) async fn collision(&mut self, swipe: &Swipe<'_>, row_offset: i64) {
        self.write("collision", ", row_offset", &format!(", {row_offset}"), swipe).await;
    }

    async fn write(&mut self, table: &str, more: &str, values: &str, swipe: &Swipe<'_>) {
        let sql = format!(
            "INSERT INTO {table} (occurred_at, received_at, log_offset, permission_clock, log_partition, \
                 reasons, granted, live, online, event_id, card_id, terminal_id, zone_id, direction, \
                 notes, locally_granted, age_ms{more}) \
             SELECT $1::text::timestamptz, $2::text::timestamptz, $3, 1, 0, $4, $4 = 0::smallint, $5, $5, \
                 md5($13)::uuid, $6, $7, $8, $9, $10, $11, $12{values}"
        );
        self.db
            .execute(
                &sql,
                &[
                    &swipe.at,
                    &swipe.received_at,
                    &self.offset,
                    &swipe.reasons,
                    &swipe.online,
                    &swipe.card,
                    &swipe.terminal,
                    &swipe.zone(),
                    &swipe.direction,
                    &swipe.notes,
                    &swipe.locally_granted,
                    &swipe.age_ms,
                    &self.offset.to_string(),
                ],
            )
            .await
            .unwrap();
        self.offset += 1;
    }

    /// The answer, a line a row, fields apart by a space; what is null is a dash.
    pub(crate) async fn ask(&self, sql: &str) -> Vec<String> {
        let messages = self.db.simple_query(sql).await.unwrap();
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        rows.map(|row| {
            let fields: Vec<&str> = (0..row.len()).map(|i| row.get(i).unwrap_or("-")).collect();
            fields.join(" ")
        })
        .collect()
    }
}
