mod commands;
mod decisions;
mod proof;
mod put_back;
mod topic;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use tokio::sync::OnceCell;
use tokio_postgres::Client;
use uuid::Uuid;

pub use commands::Commands;
pub use decisions::Published;
pub use put_back::Copy;

use crate::database::{connect, fresh, with_database};
use crate::log::Log;
use crate::process::Process;
use crate::variable;

/// One test's world: a database, topics and a consumer group of its own on the shared servers.
pub struct World {
    /// The log.
    pub log: Log,
    /// The decisions.
    pub decisions: Log,
    /// The dead letters.
    pub dead_letters: Log,
    /// A connection to the database.
    pub db: Client,
    /// Consumer group.
    pub group: String,
    /// Partitions of the log.
    pub partitions: u16,
    topic: String,
    decisions_topic: String,
    dlq_topic: String,
    kafka: String,
    postgres: String,
    admin_url: String,
    database: String,
    folder: PathBuf,
    is_folder_ours: bool,
    started: usize,
}

/// Who may go where in a small made-up building.
pub struct Site;

impl Site {
    /// A hall and a laboratory with a terminal each (`t-hall`, `t-lab`, and a second one of the
    /// hall, `t-hall-2`).
    pub const ZONES: &'static str = "
        INSERT INTO zone VALUES ('hall', 'Hall'), ('lab', 'Laboratory');
        INSERT INTO terminal VALUES
            ('t-hall', 'hall', 'in'), ('t-hall-2', 'hall', 'in'), ('t-lab', 'lab', 'in');";
}

/// Partitions of the other topics.
const OTHER_PARTITIONS: u16 = 2;

static TEMPLATE: OnceCell<String> = OnceCell::const_new();

impl World {
    /// A world whose log has `partitions` partitions.
    ///
    /// # Errors
    /// A server cannot be reached.
    pub async fn new(partitions: u16) -> Result<Self> {
        let folder = std::env::temp_dir();
        let folder = folder.join(format!("gatelog-test-{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder)?;
        let mut world = Self::in_folder(partitions, &folder).await?;
        world.is_folder_ours = true;
        Ok(world)
    }

    /// The same, with its programs' files in a folder that stays.
    ///
    /// # Errors
    /// A server cannot be reached.
    pub async fn in_folder(partitions: u16, folder: &Path) -> Result<Self> {
        let (kafka, admin_url) = (variable("GATELOG_KAFKA")?, variable("GATELOG_POSTGRES")?);
        let template = TEMPLATE.get_or_try_init(|| template(&admin_url)).await?;
        let database = fresh("test");
        let admin = connect(&admin_url).await?;
        admin.batch_execute(&format!("CREATE DATABASE {database} TEMPLATE {template}")).await?;
        let postgres = with_database(&admin_url, &database);

        let name = Uuid::new_v4().simple().to_string();
        let topic = format!("gatelog.test.{name}.swipes");
        let decisions_topic = format!("gatelog.test.{name}.decisions");
        let dlq_topic = format!("gatelog.test.{name}.dlq");
        let (few, large) = (OTHER_PARTITIONS, ("max.message.bytes", "8388608".to_owned()));
        let topics = [
            (&topic, partitions, Vec::new()),
            (&decisions_topic, few, Vec::new()),
            (&dlq_topic, few, vec![large]),
        ];
        let topics = topics.map(|(name, partitions, mut config)| {
            config.push(("retention.ms", "-1".to_owned()));
            ops::topics::Topic { name: name.clone(), partitions, replication_factor: 1, config }
        });
        let servers = settings::Kafka { brokers: kafka.clone(), ..settings::Kafka::default() };
        ops::topics::ensure(&servers, &topics).await?;
        Ok(Self {
            log: Log::new(&kafka, &topic)?,
            decisions: Log::new(&kafka, &decisions_topic)?,
            dead_letters: Log::new(&kafka, &dlq_topic)?,
            db: connect(&postgres).await?,
            group: format!("gatelog-test-{name}"),
            partitions,
            topic,
            decisions_topic,
            dlq_topic,
            kafka,
            postgres,
            admin_url,
            database,
            folder: folder.to_path_buf(),
            is_folder_ours: false,
            started: 0,
        })
    }

    /// Puts the made-up building into the registry, and gives `cards` the run of the hall since
    /// 2016-01-01.
    ///
    /// # Errors
    /// Postgres' own.
    pub async fn open_the_hall(&self, cards: &[&str]) -> Result<()> {
        self.db
            .batch_execute(&format!(
                "UPDATE retention SET oldest_day = '2016-01-01'; {}",
                Site::ZONES
            ))
            .await?;
        // Card and access in one statement: together they are the card's first state.
        let sql = "WITH new AS (INSERT INTO card (card_id) SELECT unnest($1::text[]) RETURNING card_id) \
                   INSERT INTO user_access (card_id, zones, in_force_from) \
                   SELECT card_id, '{hall}', '2016-01-01T00:00:00Z' FROM new";
        self.db.execute(sql, &[&cards]).await?;
        Ok(())
    }

    /// Environment of the product's programs in this world.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("GATELOG_KAFKA", self.kafka.as_str()),
            ("GATELOG_POSTGRES", &self.postgres),
            ("GATELOG_CONSUMER_TOPIC__SWIPES", &self.topic),
            ("GATELOG_CONSUMER_TOPIC__DECISIONS", &self.decisions_topic),
            ("GATELOG_CONSUMER_TOPIC__DLQ", &self.dlq_topic),
            ("GATELOG_CONSUMER_GROUP__ID", &self.group),
            ("GATELOG_CONSUMER_STATUS__LISTEN", "127.0.0.1:0"),
            ("GATELOG_GATEWAY_TOPIC__SWIPES", &self.topic),
            ("GATELOG_GATEWAY_HTTP__LISTEN", "127.0.0.1:0"),
            ("GATELOG_OPS_TOPIC__SWIPES", &self.topic),
            ("GATELOG_OPS_TOPIC__DLQ", &self.dlq_topic),
            ("GATELOG_LOG", "info"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Starts a consumer.
    ///
    /// # Errors
    /// It can't be started.
    pub fn consumer(&mut self) -> Result<Process> {
        self.consumer_with(&[])
    }

    /// Starts a consumer with further settings.
    ///
    /// # Errors
    /// It can't be started.
    pub fn consumer_with(&mut self, more: &[(&str, &str)]) -> Result<Process> {
        self.process("gatelog-consumer", "consumer", more)
    }

    /// Starts a consumer that is killed or stopped at a fail point, as in
    /// `fence=2*off->1*return(kill)`.
    ///
    /// # Errors
    /// It can't be started.
    pub fn faulty_consumer(&mut self, fail_points: &str) -> Result<Process> {
        self.faulty_consumer_with(fail_points, &[])
    }

    /// The same with further settings.
    ///
    /// # Errors
    /// It can't be started.
    pub fn faulty_consumer_with(
        &mut self,
        fail_points: &str,
        more: &[(&str, &str)],
    ) -> Result<Process> {
        let more = [&[("FAILPOINTS", fail_points)], more].concat();
        self.process("gatelog-consumer-faults", "faulty", &more)
    }

    /// Starts a gateway.
    ///
    /// # Errors
    /// It can't be started.
    pub fn gateway(&mut self) -> Result<Process> {
        self.gateway_with(&[])
    }

    /// Starts a gateway with further settings.
    ///
    /// # Errors
    /// It can't be started.
    pub fn gateway_with(&mut self, more: &[(&str, &str)]) -> Result<Process> {
        self.process("gatelog-gateway", "gateway", more)
    }

    /// Runs `gatelog setup` from several places at once, on an empty database and with topics that
    /// are not there; standard output of each.
    ///
    /// # Errors
    /// One of them failed.
    pub async fn set_up_at_once(&self, times: usize) -> Result<Vec<String>> {
        let database = fresh("setup");
        let admin = connect(&self.admin_url).await?;
        admin.batch_execute(&format!("CREATE DATABASE {database}")).await?;
        let mut environment = self.environment();
        let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
        set("GATELOG_POSTGRES", with_database(&self.admin_url, &database));
        for topic in ["SWIPES", "DECISIONS", "DLQ"] {
            set(&format!("GATELOG_OPS_TOPIC__{topic}"), format!("gatelog.{database}.{topic}"));
        }
        set("GATELOG_OPS_TOPIC__PARTITIONS", "2".to_owned());
        let path = PathBuf::from(variable("GATELOG_BIN_DIR")?).join("gatelog");
        let mut under_way = Vec::new();
        for _ in 0..times {
            let mut command = Command::new(&path);
            command.args(["setup", "--json"]).envs(environment.iter().cloned());
            under_way.push(tokio::task::spawn_blocking(move || command.output()));
        }
        let mut printed = Vec::new();
        for running in under_way {
            let output = running.await??;
            let said = String::from_utf8_lossy(&output.stderr);
            anyhow::ensure!(output.status.success(), "{}: {said}", output.status);
            printed.push(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        admin.batch_execute(&format!("DROP DATABASE {database} WITH (FORCE)")).await?;
        Ok(printed)
    }

    /// Connects again, where the server was restarted.
    ///
    /// # Errors
    /// Postgres' own.
    pub async fn reconnect(&mut self) -> Result<()> {
        self.db = connect(&self.postgres).await?;
        Ok(())
    }

    /// Another session on the database.
    ///
    /// # Errors
    /// Postgres' own.
    pub async fn another_session(&self) -> Result<Client> {
        connect(&self.postgres).await
    }

    /// Kafka's address.
    pub fn kafka_address(&self) -> String {
        self.kafka.clone()
    }

    /// Host and port of Postgres.
    ///
    /// # Errors
    /// The URL names none.
    pub fn postgres_address(&self) -> Result<String> {
        let config: tokio_postgres::Config = self.postgres.parse()?;
        match (config.get_hosts().first(), config.get_ports().first()) {
            (Some(tokio_postgres::config::Host::Tcp(host)), port) => {
                Ok(format!("{host}:{}", port.copied().unwrap_or(5432)))
            }
            _ => bail!("GATELOG_POSTGRES names no TCP host"),
        }
    }

    /// The database's URL, but by way of `address`.
    pub fn postgres_at(&self, address: &str) -> String {
        let (before, rest) =
            self.postgres.rsplit_once('@').unwrap_or(("postgres://", &self.postgres));
        let path = rest.find('/').map_or("", |at| &rest[at..]);
        format!("{before}@{address}{path}")
    }

    fn process(&mut self, program: &str, name: &str, more: &[(&str, &str)]) -> Result<Process> {
        self.started += 1;
        let mut environment = self.environment();
        environment.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        Process::start(program, &format!("{name}-{}", self.started), &self.folder, &environment)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.is_folder_ours {
            drop(std::fs::remove_dir_all(&self.folder));
        }
        let (url, database) = (self.admin_url.clone(), self.database.clone());
        // A runtime of its own: this may be dropped inside one, which must not block.
        let cleaned = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let drop = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
                connect(&url).await?.batch_execute(&drop).await?;
                anyhow::Ok(())
            })
        });
        drop(cleaned.join());
    }
}

/// A migrated database that the tests' own are cloned from.
async fn template(admin_url: &str) -> Result<String> {
    let name = fresh("template");
    connect(admin_url).await?.batch_execute(&format!("CREATE DATABASE {name}")).await?;
    let mut client = connect(&with_database(admin_url, &name)).await?;
    migrations::run(&mut client).await?;
    Ok(name)
}
