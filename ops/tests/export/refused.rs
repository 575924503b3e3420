//! Exports that make no sense, or would not be whole.

use ops::export::{self, Format, Options};

use crate::Stand;

#[tokio::test]
async fn what_cannot_be_whole_is_refused() {
    Stand::with(async |stand| {
        let today = "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')";
        let today: String = stand.owner.query_one(today, &[]).await.unwrap().get(0);
        let good = stand.options("access_event", Format::Parquet);
        stand.export(&good).await;
        let with = |change: &dyn Fn(&mut Options)| {
            let mut options = good.clone();
            change(&mut options);
            options
        };
        for (options, wanted) in [
            (with(&|o| o.to = Some(today.parse().unwrap())), "when it is over"),
            (with(&|o| o.to = Some("2016-05-31".parse().unwrap())), "is after --to"),
            (with(&|o| o.view = "nothing".to_owned()), "access_event, collision_event"),
            (with(&|o| o.view = "access_event\"; DROP".to_owned()), "there is no view"),
            (with(&|o| o.view = "zone".to_owned()), "no day and no time"),
        ] {
            let error = export::export(&stand.settings, &options).await.unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(wanted), "{error}");
        }
        // Without --to it ends with yesterday.
        let until_now = with(&|o| o.to = None);
        assert_eq!(stand.export(&until_now).await.days.len(), 3);
        // A length that a file has no place for is no reason to write another one.
        let view =
            "CREATE VIEW analyst.odd AS SELECT day, interval '1 month' AS x FROM analyst.day";
        stand.owner.batch_execute(view).await.unwrap();
        let odd = with(&|o| o.view = "odd".to_owned());
        let error = export::export(&stand.settings, &odd).await.unwrap_err();
        assert!(error.to_string().contains("deserializing"), "{error}");
        assert!(!stand.out.join("odd/day=2016-06-01/odd.parquet").exists());
    })
    .await;
}

#[tokio::test]
async fn two_at_once_do_not_write_one_file() {
    Stand::with(async |stand| {
        let options = stand.options("access_event", Format::Parquet);
        let folder = stand.out.join("access_event");
        std::fs::create_dir_all(&folder).unwrap();
        let lock = std::fs::File::create(folder.join(".lock")).unwrap();
        lock.lock().unwrap();
        let error = export::export(&stand.settings, &options).await.unwrap_err();
        assert!(error.to_string().contains("another `gatelog export`"), "{error}");
        lock.unlock().unwrap();
        stand.export(&options).await;
    })
    .await;
}
