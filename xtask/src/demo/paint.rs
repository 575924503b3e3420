//! Text for people on either stream, in colours where that stream is a terminal.

use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};
use console::{StyledObject, style};

/// Where the results go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error: standard output belongs to a program.
    Err,
}

impl Stream {
    /// Text that gets its colours there, if it gets any.
    pub(crate) fn style(self, text: impl Into<String>) -> StyledObject<String> {
        let styled = style(text.into());
        match self {
            Self::Out => styled.for_stdout(),
            Self::Err => styled.for_stderr(),
        }
    }

    /// Prints there. That nobody reads any more is no error.
    pub(crate) fn print(self, text: &str) -> Result<()> {
        let written = match self {
            Self::Out => write(std::io::stdout().lock(), text),
            Self::Err => write(std::io::stderr().lock(), text),
        };
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => other.context("cannot print"),
        }
    }
}

fn write(mut stream: impl Write, text: &str) -> std::io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}
