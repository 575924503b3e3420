//! What `--help` teaches about `gatelog access`.

pub(super) const ACCESS: &str = "\
Every edit is one transaction; from its commit on every door decides by it, and the history keeps
what was before. Cards, permissions, zones, terminals and schedules have versions of their own.

Edits that met a newer version than they stood on are counted: optimistic_lock_failure_total,
optimistic_lock_failure_rate and optimistic_lock_retry_count, by operation (grant, revoke,
set_card_state, set_zone, …), under `metrics` with --json and in the file of --metrics, or of
GATELOG_OPS_METRICS__FILE. Counters go on from run to run there.

Examples:
  gatelog access grant 4711 lab hall --schedule office --until 2027-01-01 --new
  gatelog access block 4711 --state stolen
  gatelog access zone set --all --mode deny_all
  gatelog access why 4711 door-7 --at 2026-05-03T08:00:00+02:00
  gatelog access history 4711
  gatelog access revoke 4711 lab --metrics /var/lib/node_exporter/gatelog.prom";

pub(super) const SHOW: &str = "\
card_state, where it was last, is known only of zones with anti-passback or lockout. The version of
the card is what `block` and `enable` take with --if-version, that of the permissions is what
`grant` and `revoke` take.

Examples:
  gatelog access show 4711
  gatelog access show 4711 --json | jq .user_access.version";

pub(super) const GRANT: &str = "\
What is not said stays: zones are added to those that the card has, its schedule and validity are
kept. A day means its midnight, UTC.

Examples:
  gatelog access grant 4711 lab hall --new
  gatelog access grant 4711 roof --if-version 3
  gatelog access grant 4711 --schedule office --until 2027-01-01
  gatelog access grant 4711 --no-schedule --until never";

pub(super) const REVOKE: &str = "\
The card stays registered, and keeps its schedule; `block` stops it everywhere at once.

Examples:
  gatelog access revoke 4711 lab
  gatelog access revoke 4711 --all --if-version 4";

pub(super) const BLOCK: &str = "\
What the card might do stays written down, and counts again after `gatelog access enable`.

Examples:
  gatelog access block 4711
  gatelog access block 4711 --state lost";

pub(super) const ENABLE: &str = "\
Examples:
  gatelog access enable 4711
  gatelog access enable 4711 --if-version 2";

pub(super) const FORGIVE: &str = "\
For who stands before a door that anti-passback or lockout keeps shut, and should not: the next read
is judged as the first of the card. Permissions stay as they are. It waits for the batch that is under
way, and is written down with its reason (operator_action).

Examples:
  gatelog access forgive 4711 --reason \"tailgated out at the loading bay\"";

pub(super) const SCHEDULE: &str = r#"A definition, as an example; fields that are not shown are refused:
  {
    "time_zone": "Europe/Berlin",
    "weekly": [
      { "days": ["mon", "tue", "wed", "thu", "fri"], "from": "07:00", "until": "19:00" },
      { "days": ["fri"], "from": "22:00", "until": "06:00" }
    ],
    "special_days": [
      { "date": "2026-12-24", "open": [{ "from": "08:00", "until": "12:00" }] },
      { "date": "2026-12-25", "open": [] }
    ]
  }

  time_zone     a name of the IANA database
  weekly        `until` is exclusive; one not later than `from` lies on the next day
  special_days  all there is to say about their date: weekly windows do not hold on it

Examples:
  gatelog access schedule set office office.json
  gatelog access schedule set office office.json --if-version 2
  gatelog access grant 4711 --schedule office"#;

pub(super) const ZONE: &str = "\
  --mode deny_all        lockdown: every read is denied, whatever the card may
  --mode released        fire: every read is granted, also of unknown cards, and the row says so
  --antipassback         looks at in and out reads only
  --lockout 5/1m/10m     five denials within a minute lock the card out for ten

A lockdown of all zones waits for whoever is just editing one; it meets no conflict. It covers the
zones that are registered at that moment.

Examples:
  gatelog access zone set --all --mode deny_all
  gatelog access zone set --all --mode normal
  gatelog access zone set lab --antipassback hard --antipassback-timed 5m --lockout 5/1m/10m
  gatelog access zone set lab --lockout off --if-version 3
  gatelog access zone set annex --new --name \"Annex, ground floor\"";

pub(super) const TERMINAL: &str = "\
Examples:
  gatelog access terminal set door-7 --new --zone lab --direction in
  gatelog access terminal set door-7 --direction both --if-version 1";

pub(super) const WHY: &str = "\
Decides as the consumers do, and lists every reason in its precedence, then the versions that the
decision stood on. A moment of the past is decided as a swipe of then that comes now: by the
permissions and rules that were in force, but by what is known now of where the card was. Nothing is
recorded and no door opens.

Examples:
  gatelog access why 4711 door-7
  gatelog access why 4711 door-7 --at 2026-05-03T08:00:00+02:00
  gatelog access why 4711 gate-1 --direction out --json | jq '.reasons[0].reason'
  gatelog access why 4711 door-7 --exit-code && echo open";

pub(super) const HISTORY: &str = "\
Each line is what stood from `since` until `until` (exclusive). card and permissions are the versions
of the two halves, clock is the permission clock that it came with, by is who made it so: user of the
system and role of the database. A late swipe is decided by the line that its time falls in.

Examples:
  gatelog access history 4711
  gatelog access history 4711 --json | jq '.[-1].zones'";

pub(super) const IMPORT: &str = r#"JSON, as an example; fields that are not shown are refused:
  {
    "in_force_from": "2016-01-01T00:00:00Z",
    "schedules": [
      { "schedule_id": "office", "definition": { "time_zone": "Europe/Berlin", "weekly": [
          { "days": ["mon", "fri"], "from": "07:00", "until": "19:00" }] } }
    ],
    "zones": [
      { "zone_id": "hall", "name": "Hall" },
      { "zone_id": "lab", "name": "Laboratory", "mode": "normal",
        "antipassback": { "enforcement": "hard", "two_way": true, "timed_ms": 300000 },
        "lockout": { "denials": 5, "within_ms": 60000, "for_ms": 600000 } }
    ],
    "terminals": [
      { "terminal_id": "door-7", "zone_id": "lab", "direction": "in" }
    ],
    "cards": [
      { "card_id": "4711", "zones": ["lab"], "schedule_id": "office" },
      { "card_id": "4712", "zones": [], "state": "lost",
        "valid_from": "2016-01-01T00:00:00Z", "valid_until": "2017-01-01T00:00:00Z",
        "in_force_from": "2016-02-01T00:00:00Z" }
    ]
  }

  state          enabled, disabled, lost, stolen, blocked or expired; absent, a card keeps the one that
                 it has (a list of cards enables none that was lost), and a new one is enabled
  valid_until    exclusive: from this moment on the card is expired
  direction      in, out or both
  zones          of this file, or registered before
  schedule_id    null is at any time; absent, a card keeps the one that it has
  mode, antipassback, lockout
                 absent, a zone keeps what it has: a file from before ends no lockdown. A lockout of
                 null is none. What they mean: `gatelog access zone set --help`
  definition     as in `gatelog access schedule set --help`
  in_force_from  since when a card's first permissions count for late swipes: the card's, else the
                 file's, else the moment of the import. Later changes count from their import on

CSV, cards only; a column that is missing is as a field that is absent, an empty cell as null, or
as an absent state:
  card_id,zones,state,valid_from,valid_until,schedule_id
  4711,lab;hall,,,2027-01-01T00:00:00Z,office
  4712,,lost,,,

Rows that are as the file says are not touched; what it does not name stays as it is.

Examples:
  gatelog access import access.json --dry-run
  gatelog access import cards.csv --json"#;
