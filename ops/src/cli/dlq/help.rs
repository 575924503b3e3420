//! What `--help` teaches about `gatelog dlq`.

pub(super) const DLQ: &str = "\
An event that cannot be applied holds up nobody: it becomes a dead letter, with its bytes and with
what was wrong. Here it is looked at, put right and sent once more, or given up. docs/operators.md
says of each cause how it comes about and what to do.

  open         nothing is under way
  replaying    published once more; what became of it is known in a second or so
  resolved     a replay was applied
  superseded   a replay found that the same event had been applied already
  discarded    an operator gave it up
  merged       itself a replay that failed; counted in the letter that it is a replay of

A replay corrects history. It never opens a door. Letters of unknown terminals, and of times that
were out of range, are replayed by the consumers when their cause has healed, 8 times at most.

What changes something only says what it would do, until --apply --reason \"why\" is given.

Exit codes:
  0  fine: all that was chosen is applied, superseded, discarded or settled already; a dry run
  1  some failed again, are still under way, were left alone, changed by somebody else or skipped, or
     there are more than --limit: the same command again
  2  bad usage, a letter that is not there, an event that is none
  3  a server cannot be reached, or a replay of the letter is under way. What was done by then is
     printed first
  4  the letter has another version than --if-version, or than it had when it was opened in an editor;
     nothing was written

Examples:
  gatelog dlq summary
  gatelog dlq show 0195f3a2
  gatelog dlq replay --group unknown_terminal/decide/door-7
  gatelog dlq replay --cause unknown_terminal --apply --reason \"door-7 is registered now\"
  gatelog dlq edit 0195f3a2 --set terminal_id=door-7 --apply --replay --reason \"was renamed\"
  gatelog dlq discard --group undecodable/decode/- --apply --reason \"a port scan, not a terminal\"";

pub(super) const SUMMARY: &str = "\
The groups with the most open letters come first. What --group of `replay` and `discard` takes is
printed in the first column, quoted for a shell where that is needed; `show` explains the example.

Examples:
  gatelog dlq summary
  gatelog dlq summary --since 2026-05-03
  gatelog dlq summary --state all --json | jq '.groups[] | select(.failed_again > 0)'";

pub(super) const LIST: &str = "\
since: when it was dead-lettered, which --since and --until are about. place: partition and offset
in the log. failed again: how many replays of it failed.

Examples:
  gatelog dlq list --terminal door-7
  gatelog dlq list --state replaying
  gatelog dlq list --cause bad_row --since 2026-05-03T06:00:00Z --json | jq -r '.letters[].message'";

pub(super) const SHOW: &str = "\
What is not text is shown as numbers; what could steer the terminal is escaped. A value of more than
4,096 bytes is cut, as are keys and headers of more than 256: `export` has all of them. Of replays
that failed and of what was done the newest 1,000 are shown.

Examples:
  gatelog dlq show 0195f3a2
  gatelog dlq show 0195f3a2 --json | jq -r '.letter.original.value.base64' | base64 -d";

pub(super) const REPLAY: &str = "\
The consumer that owns the letter's partition publishes it, so one must run. Replays go out in the
order in which the letters were given up. How each would go:

  would be replayed   it is published once more
  superseded          the same event is a row, or a collision, already; a replay settles the letter
  pointless           its terminal is not registered, its time is out of range, or the same bytes
                      would fail again: left alone unless --force is given. An edited letter is
                      judged by what it was edited to. What is too large for the log is never sent
  already under way   an earlier replay is not 60 s old; left alone
  settled             it has come to its end; left alone

Exit code 1 if any failed again, is still under way after --wait, or was left alone (but for those
that are settled), or if there are more than --limit: then the same command again. With --wait 0 what
is under way is fine.

Examples:
  gatelog dlq replay 0195f3a2
  gatelog dlq replay --group unknown_terminal/decide/door-7 --apply --reason \"registered\"
  gatelog dlq replay --cause bad_row --until 2026-05-03T08:00:00Z --rate 50 --wait 600 \\
      --apply --reason \"migration 11 is in\"
  gatelog dlq replay --cause undecodable --force --apply --reason \"consumer 1.4 reads them\"";

pub(super) const EDIT: &str = "\
The letter's own bytes stay. What is edited becomes a new event, with an event_id of its own and
`amends`, the id of the one that it stands for; key and headers are made for it. event_id, amends and
type cannot be set. The same edit is always the same event, so that storing it twice is harmless. An
edited letter is no longer replayed by itself.

Without --set, --file and --as-is, VISUAL or EDITOR opens the event as JSON. What changed is shown,
but never the card. What was written and not stored stays in a file that only you can read, and is
said where.

Where the original is no JSON object, an edit starts from what its key and headers say; that is a
guess, and is called so. --as-is refuses that.

Examples:
  gatelog dlq edit 0195f3a2 --set terminal_id=door-7
  gatelog dlq edit 0195f3a2 --set terminal_epoch=2 --set terminal_seq=18 --set age_ms=null \\
      --apply --replay --reason \"the counter was reset\"
  gatelog dlq edit 0195f3a2 --as-is --apply --reason \"the key was another program's\"
  EDITOR='code --wait' gatelog dlq edit 0195f3a2 --if-version 3";

pub(super) const DISCARD: &str = "\
A discarded letter stays in the table, and its event in the log; nothing replays it any more. A letter
whose replay is under way is left alone.

Exit code 1 if any was left alone (but for those that are settled), or if there are more than --limit:
then the same command again.

Examples:
  gatelog dlq discard 0195f3a2 --apply --reason \"a test of the installers\"
  gatelog dlq discard 0195f3a2 --if-version 3 --apply --reason \"seen twice, not ours\"
  gatelog dlq discard --group undecodable/decode/- --until 2026-05-03";

pub(super) const EXPORT: &str = "\
Letters of all states, unless --state says which. Bytes are base64, and beside it text where they
are UTF-8 and 64 KiB at most. Nobody but you can read the file; delete it when you are through. It is
FILE.part until it is whole, and never takes the place of another. What was done to the letters is not
in it.

Examples:
  gatelog dlq export letters.ndjson
  gatelog dlq export - --cause undecodable | jq -r '.original.value.text'";

pub(super) const IMPORT: &str = "\
Only letters of this database's log, at offsets that have no other outcome here: after a table was
lost, or put back from an older backup. What was under way is open again; what a letter says is read
from its bytes. No partition gets more letters than its counters (consumer_offset.dead) say. Doing it
twice is the same as doing it once. What is skipped is said, with why.

An export holds no actions: who replayed, edited or discarded a letter, and why, does not come back.
The import itself is written down.

Exit code 1 if a line was skipped.

Examples:
  gatelog dlq import letters.ndjson
  gatelog dlq import letters.ndjson --apply --reason \"dead_letter was restored from Monday\"";

pub(super) const REBUILD: &str = "\
Every dead letter is in the topic gatelog.swipes.dlq.v1 too, with its original bytes. This reads the
topic from its start and puts back what the table lacks, under the same rules as `import`. What
operators did is not in the topic: a letter whose event has become a row since comes back as
superseded, a replay that failed as merged, and all others as open, be they discarded or edited
before. For that reason none of them is replayed by itself: look at them, then `replay`. Nor does this
come back: what operators did and made of letters, when the original was published, the SQLSTATE of a
refused row, and original headers where they had more than 64 KiB. A letter whose key or value was too
long for the topic is skipped: `gatelog offsets reset` has the log read again, which makes it anew.

Exit code 1 if a record was skipped.

Examples:
  gatelog dlq rebuild
  gatelog dlq rebuild --apply --reason \"dead_letter was truncated by mistake\"";
