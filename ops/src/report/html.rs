//! Text in HTML.

/// Text, so that it is text wherever it stands: between tags or in an attribute.
pub(super) fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut all, c| {
        match c {
            '&' => all.push_str("&amp;"),
            '<' => all.push_str("&lt;"),
            '>' => all.push_str("&gt;"),
            '"' => all.push_str("&quot;"),
            '\'' => all.push_str("&#39;"),
            // Of no use here, and forbidden in XML.
            c if c.is_control() => all.push('\u{fffd}'),
            c => all.push(c),
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escaped("a\"><b>&'\u{0}"), "a&quot;&gt;&lt;b&gt;&amp;&#39;\u{fffd}");
    }
}
