//! What one can do with a demo that stays up, and the wait for the end.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::interrupt;
use crate::ui;
use crate::up::quoted;

use super::database::Database;
use super::paint::Stream;
use super::services::Services;
use super::site::Site;

const GLANCE: Duration = Duration::from_millis(200);

/// Prints addresses and commands, then waits for a signal. That a service ends is an error.
pub(crate) fn stay(
    site: &Site,
    services: &mut Services,
    database: &Database,
    stream: Stream,
) -> Result<()> {
    stream.print(&page(site, services, database, stream)?)?;
    ui::note("it stays up; Ctrl-C stops everything");
    while !interrupt::requested() {
        services.check()?;
        // A signal ends the loop.
        let _ = interrupt::sleep(GLANCE);
    }
    Ok(())
}

fn page(site: &Site, services: &Services, database: &Database, stream: Stream) -> Result<String> {
    let mut text = String::from("\n");
    let gateway = format!("http://{}", services.gateway());
    let mut addresses = vec![("gateway".to_owned(), format!("{gateway}/readyz  /metrics"))];
    for (name, address) in services.consumers() {
        addresses.push((name.to_owned(), format!("http://{address}/readyz  /metrics")));
    }
    addresses.push(("Postgres".to_owned(), site.postgres().to_owned()));
    addresses.push(("Kafka".to_owned(), site.kafka().to_owned()));
    addresses.push(("logs".to_owned(), site.folder().display().to_string()));
    for (name, address) in addresses {
        let name = stream.style(format!("{name:<10}")).cyan();
        text += &format!("  {name} {address}\n");
    }

    let mut say = |comment: &str, commands: &str| {
        let comment = stream.style(format!("# {comment}")).dim();
        text += &format!("\n{comment}\n{commands}\n");
    };
    say("In another terminal:", &exports(site, &gateway));
    let (card, terminal) = example(database)?;
    say(
        "a swipe now, and its row",
        &format!(
            "curl -sw '\\n' {gateway}/v1/swipes -H 'Content-Type: application/json' -d '{{\"card_id\": \
             \"{card}\", \"terminal_id\": \"{terminal}\",\n  \"mode\": \"online\", \"age_ms\": 0, \
             \"occurred_at\": \"'$(date -u +%Y-%m-%dT%H:%M:%SZ)'\"}}'\n\
             psql \"$GATELOG_POSTGRES\" -c 'SELECT occurred_at, card_id, zone_id, granted, live, \
             log_partition, log_offset\n  FROM access_log ORDER BY received_at DESC LIMIT 5'"
        ),
    );
    say("how far each partition is, and the proof", "gatelog offsets show\ngatelog verify");
    text.push('\n');
    Ok(text)
}

fn exports(site: &Site, gateway: &str) -> String {
    let path = site.binaries().to_string_lossy();
    let mut lines = vec![format!("export PATH={}:\"$PATH\"", quoted(&path))];
    let gateway = ("GATELOG_OPS_GATEWAY__URL", gateway);
    for (name, value) in site.operator_environment().into_iter().chain([gateway]) {
        lines.push(format!("export {name}={}", quoted(value)));
    }
    lines.join("\n")
}

fn example(database: &Database) -> Result<(String, String)> {
    let rows = database.query(include_str!("sql/example.sql"), &[])?;
    let row = rows.first().context("no card may pass anywhere now")?;
    Ok((row.get(0), row.get(1)))
}
