use schemas::Millis;

use super::place::{Places, line};
use super::{AccessFile, Card, Error, Problem};

/// The columns that there may be; the first two must be.
const COLUMNS: [&str; 6] =
    ["card_id", "zones", "state", "valid_from", "valid_until", "schedule_id"];
const NEEDED: usize = 2;

/// Which column of the file each of [`COLUMNS`] is.
type Header = [Option<usize>; COLUMNS.len()];

impl AccessFile {
    /// Reads cards from CSV: a header line with some of `card_id`, `zones` (separated by `;` or
    /// space), `state`, `valid_from`, `valid_until` and `schedule_id`, of which the first two must
    /// be there. What a column that is missing means is what the field that is absent means in
    /// JSON; an empty cell is null, and absent for a state.
    ///
    /// # Errors
    /// [`Error::Refused`] with line and column of all that cannot be read.
    pub fn parse_csv(text: &[u8]) -> Result<Self, Error> {
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
        let header = header(reader.headers().map_err(|error| unreadable(text, &error))?)?;
        let mut problems = Vec::new();
        let (mut cards, mut lines, mut numbers) = (Vec::new(), Vec::new(), Lines::new(text));
        for record in reader.records() {
            let record = record.map_err(|error| unreadable(text, &error))?;
            let at = numbers.at(record.position());
            cards.push(card(&record, &header, at, &mut problems));
            lines.push(at);
        }
        if !problems.is_empty() {
            return Err(Error::Refused(problems));
        }
        Ok(Self { cards, places: Places::Lines(lines), ..Self::default() })
    }
}

fn header(names: &csv::StringRecord) -> Result<Header, Error> {
    let mut header = Header::default();
    let mut problems = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let number = place + 1;
        match COLUMNS.iter().position(|column| *column == name) {
            Some(column) if header[column].is_none() => header[column] = Some(place),
            Some(_) => problems.push(format!("column {number} repeats {name}")),
            // Not quoted: without a header line this is a card.
            None => problems.push(format!(
                "column {number} is none of {}: is the header line missing?",
                COLUMNS.join(", ")
            )),
        }
    }
    for (column, name) in COLUMNS.iter().enumerate().take(NEEDED) {
        if header[column].is_none() {
            problems.push(format!("there is no column {name}"));
        }
    }
    if problems.is_empty() {
        return Ok(header);
    }
    let problem = |problem| Problem { path: "line 1".to_owned(), problem };
    Err(Error::Refused(problems.into_iter().map(problem).collect()))
}

fn card(record: &csv::StringRecord, header: &Header, at: u64, problems: &mut Vec<Problem>) -> Card {
    let cell = |column: usize| header[column].map(|place| record.get(place).unwrap_or_default());
    let mut moment = |column: usize| {
        let text = cell(column).filter(|text| !text.is_empty())?;
        text.parse::<Millis>()
            .map_err(|problem| {
                let path = line(Some(at), COLUMNS[column]);
                problems.push(Problem { path, problem: problem.to_owned() });
            })
            .ok()
    };
    let (valid_from, valid_until) = (moment(3), moment(4));
    let zones = cell(1).unwrap_or_default().split([';', ' ']).filter(|zone| !zone.is_empty());
    Card {
        card_id: cell(0).unwrap_or_default().to_owned(),
        state: cell(2).filter(|state| !state.is_empty()).map(str::to_owned),
        valid_from,
        valid_until,
        zones: zones.map(str::to_owned).collect(),
        schedule_id: cell(5).map(|id| Some(id.to_owned()).filter(|id| !id.is_empty())),
        in_force_from: None,
    }
}

/// Counts lines as an editor shows them: csv's own are off where lines end in CR LF or are empty.
struct Lines<'a> {
    text: &'a [u8],
    seen: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, seen: 0, line: 1 }
    }

    /// The first line at or after `position` that is not empty. Ask in order.
    fn at(&mut self, position: Option<&csv::Position>) -> u64 {
        let position = position.map_or(0, |p| usize::try_from(p.byte()).unwrap_or(usize::MAX));
        while let Some(byte) = self.text.get(self.seen)
            && (self.seen < position || matches!(byte, b'\r' | b'\n'))
        {
            self.line += u64::from(*byte == b'\n');
            self.seen += 1;
        }
        self.line
    }
}

/// csv's own errors, without the bytes that it found.
fn unreadable(text: &[u8], error: &csv::Error) -> Error {
    let at = Lines::new(text).at(error.position());
    let problem = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} columns, the header line has {expected_len}")
        }
        csv::ErrorKind::Utf8 { err, .. } => {
            format!("column {} is not UTF-8", err.field() + 1)
        }
        _ => "is no CSV".to_owned(),
    };
    Error::Unreadable(Problem { path: format!("line {at}"), problem })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Known;

    fn read(text: &str) -> Result<AccessFile, String> {
        AccessFile::parse_csv(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn columns_in_any_order_and_cells_that_are_empty() {
        let file = read(
            "\u{feff}zones,card_id,schedule_id,valid_until,state\r\n\
             lab; hall,4711,office,2027-01-01T00:00:00Z,lost\r\n\
             ,4712,,,\r\n",
        )
        .unwrap();
        let [first, second] = &file.cards[..] else { panic!("{:?}", file.cards) };
        assert_eq!((first.card_id.as_str(), first.zones.join(" ")), ("4711", "lab hall".into()));
        assert_eq!(first.schedule_id, Some(Some("office".to_owned())));
        assert!(first.valid_until.is_some() && first.state.as_deref() == Some("lost"));
        assert_eq!((&second.state, second.zones.len()), (&None, 0));
        assert_eq!((second.valid_until, &second.schedule_id), (None, &Some(None)));
        assert_eq!(read("card_id,zones\na,lab\n").unwrap().cards[0].schedule_id, None);
    }

    #[test]
    fn mistakes_name_line_and_column_and_no_card() {
        for (text, wanted) in [
            ("", "2 problems, nothing was imported:\nline 1: there is no column card_id"),
            ("card_id\n", "line 1: there is no column zones"),
            ("card_id,zones,card_id\n", "line 1: column 3 repeats card_id"),
            ("secret,lab\n", "4 problems, nothing was imported:\nline 1: column 1 is none of"),
            ("card_id,zones\nsecret\n", "line 2: has 1 columns, the header line has 2"),
            (
                "card_id,zones,valid_from\r\n\r\nsecret,lab,2016\r\n",
                "line 3, column valid_from: must be an RFC 3339 time",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(wanted), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let file = read("card_id,zones,state\na,lab;lab,eaten\na,x,\n").unwrap();
        let known = Known { zones: ["lab".to_owned()].into(), ..Known::default() };
        let found: Vec<_> = file.check(&known).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "line 3, column card_id: repeats line 2, column card_id",
                "line 2, column state: must be one of enabled, disabled, lost, stolen, blocked, expired",
                "line 2, column zones, zone 2: repeats line 2, column zones, zone 1",
                r#"line 3, column zones, zone 1: no such zone "x""#,
            ]
        );
    }
}
