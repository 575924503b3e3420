//! What is read back is what Postgres has: every row, in types that say what it is.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use ops::export::Format;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::LogicalType;
use uuid::Uuid;

use crate::Stand;

fn read(file: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

/// What both sides are compared by: moment in µs, card, id, reasons, age.
type Swipe = (i64, String, Uuid, Vec<String>, Option<i64>);

fn swipes(batch: &RecordBatch) -> Vec<Swipe> {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let at = column("occurred_at").as_primitive::<TimestampMicrosecondType>();
    let (cards, ids) = (column("card_id").as_string::<i32>(), column("event_id"));
    let (ids, reasons) = (ids.as_fixed_size_binary(), column("reasons").as_list::<i32>());
    let ages = column("age_ms").as_primitive::<Int64Type>();
    let swipe = |row: usize| {
        let words = reasons.value(row);
        let words = words.as_string::<i32>().iter().map(|word| word.unwrap().to_owned());
        (
            at.value(row),
            cards.value(row).to_owned(),
            Uuid::from_slice(ids.value(row)).unwrap(),
            words.collect(),
            ages.is_valid(row).then(|| ages.value(row)),
        )
    };
    (0..batch.num_rows()).map(swipe).collect()
}

#[tokio::test]
async fn rows_come_back_as_they_were() {
    Stand::with(async |stand| {
        let report = stand.export(&stand.options("access_event", Format::Parquet)).await;
        let rows: Vec<_> = report.days.iter().map(|day| (day.day.to_string(), day.rows)).collect();
        let day = |day: &str, rows| (day.to_owned(), Some(rows));
        let (first, second) = (day("2016-06-01", 3_600), day("2016-06-02", 6_400));
        // A day without rows has a file; the 3rd has no table and none.
        assert_eq!(rows, [first, second, day("2016-06-04", 0)]);
        assert_eq!((report.written, report.rows), (3, 10_000));

        let mut found = Vec::new();
        for day in &report.days {
            let folder = format!("access_event/day={}", day.day);
            assert!(day.file.starts_with(stand.out.join(folder)), "{day:?}");
            found.extend(read(&day.file).iter().flat_map(swipes));
        }
        let sql = "SELECT (extract(epoch FROM occurred_at) * 1000000)::bigint, card_id, event_id,
                          reasons, age_ms
                   FROM analyst.access_event ORDER BY occurred_at";
        let wanted = stand.owner.query(sql, &[]).await.unwrap();
        let wanted = wanted.iter().map(|row| {
            (row.get(0), row.get(1), row.get(2), row.get::<_, Vec<String>>(3), row.get(4))
        });
        assert!(found.into_iter().eq(wanted), "rows differ");
    })
    .await;
}

/// One value of each type, and of each the odd one.
const EVERYTHING: &str = r#"
    CREATE VIEW analyst.everything AS
    SELECT d.day, v.n, v.yes, v.small, v.ratio, v.words, v.list, v.id, v.at, v.at_local, v.date,
           v.stayed, v.price::numeric(10, 2), v.exact, v.said
    FROM analyst.day d
    CROSS JOIN (VALUES
        (1::bigint, true, 7::smallint, 0.1::float8, 'a "quoted", one'::text,
         ARRAY['x', NULL, 'y,z']::text[], '0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11'::uuid,
         '2016-06-01T12:00:00.000001+02'::timestamptz, '2016-06-01T12:00:00.5'::timestamp,
         '1969-12-31'::date, '-1 day 00:00:00.000003'::interval, -12.5::numeric,
         1234567890123456789012345678901234567890.123::numeric, '{"a": 1}'::jsonb),
        (2, NULL, NULL, NULL, '', '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
    ) AS v (n, yes, small, ratio, words, list, id, at, at_local, date, stayed, price, exact, said)"#;

#[tokio::test]
async fn types_say_what_the_values_are() {
    Stand::with(async |stand| {
        stand.owner.batch_execute(EVERYTHING).await.unwrap();
        let report = stand.export(&stand.options("everything", Format::Parquet)).await;
        let file = File::open(&report.days[0].file).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let id = reader.parquet_schema().columns().iter().find(|column| column.name() == "id");
        assert_eq!(id.unwrap().logical_type_ref(), Some(&LogicalType::Uuid));
        let schema = reader.schema().clone();
        let of = |name: &str| schema.field_with_name(name).unwrap().data_type().clone();
        let us = TimeUnit::Microsecond;
        assert_eq!(of("at"), DataType::Timestamp(us, Some("UTC".into())));
        assert_eq!(of("at_local"), DataType::Timestamp(us, None));
        assert_eq!(of("price"), DataType::Decimal128(10, 2));
        assert_eq!((of("exact"), of("said")), (DataType::Utf8, DataType::Utf8));
        assert_eq!(of("date"), DataType::Date32);
        // The folder says the day.
        assert!(schema.field_with_name("day").is_err());

        let batch = &read(&report.days[0].file)[0];
        let column = |name: &str| batch.column_by_name(name).unwrap();
        let price = column("price").as_primitive::<Decimal128Type>().value(0);
        let stayed = column("stayed_us").as_primitive::<Int64Type>().value(0);
        let at = column("at").as_primitive::<TimestampMicrosecondType>().value(0);
        assert_eq!((price, stayed, at), (-1_250, -86_399_999_997, 1_464_775_200_000_001));
        let exact = column("exact").as_string::<i32>().value(0);
        assert_eq!(exact, "1234567890123456789012345678901234567890.123");
        let nulls: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .filter(|name| column(name).is_null(1))
            .collect();
        assert_eq!(nulls.len(), 11, "{nulls:?}");
        assert_eq!(column("words").as_string::<i32>().value(1), "", "no letters are not null");
        assert_eq!(column("list").as_list::<i32>().value(1).len(), 0);
    })
    .await;
}

#[tokio::test]
async fn csv_tells_null_from_nothing() {
    Stand::with(async |stand| {
        stand.owner.batch_execute(EVERYTHING).await.unwrap();
        let report = stand.export(&stand.options("everything", Format::Csv)).await;
        let text = std::fs::read_to_string(&report.days[0].file).unwrap();
        let wanted = [
            "n,yes,small,ratio,words,list,id,at,at_local,date,stayed_us,price,exact,said",
            concat!(
                r#"1,true,7,0.1,"a ""quoted"", one","[""x"",null,""y,z""]","#,
                "0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11,2016-06-01T10:00:00.000001Z,",
                "2016-06-01T12:00:00.5,1969-12-31,-86399999997,-12.50,",
                r#"1234567890123456789012345678901234567890.123,"{""a"": 1}""#
            ),
            r#"2,,,,"",[],,,,,,,,"#,
            "",
        ];
        assert_eq!(text, wanted.join("\n"));
    })
    .await;
}

/// Each view of the product, in both formats, has the rows that it has.
#[tokio::test]
async fn every_view_of_days_can_be_exported() {
    Stand::with(async |stand| {
        let sql = "SELECT c.relname FROM pg_class c
            WHERE c.relnamespace = 'analyst'::regnamespace AND c.relkind = 'v'
              AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
                          AND a.attname IN ('day', 'occurred_at'))";
        let views = stand.owner.query(sql, &[]).await.unwrap();
        assert!(views.len() >= 9, "{} views", views.len());
        for view in views {
            let view: &str = view.get(0);
            let count = format!("SELECT count(*) FROM analyst.{view}");
            let rows: i64 = stand.owner.query_one(&count, &[]).await.unwrap().get(0);
            for format in [Format::Parquet, Format::Csv] {
                let report = stand.export(&stand.options(view, format)).await;
                assert_eq!(report.rows, rows as u64, "{view} as {format:?}");
            }
        }
    })
    .await;
}
