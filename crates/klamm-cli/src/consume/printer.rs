//! From a record that was read to bytes that are written.

use super::args::Consume;
use super::format::{Fields, Format};
use super::{jsonl, terminal};
use crate::args::Output;
use crate::failure::{Failure, USAGE};
use crate::produce::unescape;

/// How records are written.
#[derive(Debug)]
pub(super) enum Printer {
    Format(Format),
    Jsonl,
    Terminal { colour: bool },
}

impl Printer {
    /// What the options ask for; without any, lines for people on a terminal, and values elsewhere.
    pub(super) fn new(
        args: &Consume,
        output: Output,
        terminal: Option<Colour>,
    ) -> Result<Self, Failure> {
        match (args.format.as_deref(), output) {
            (None | Some("json" | "jsonl"), Output::Json) | (Some("json" | "jsonl"), _) => {
                Ok(Self::Jsonl)
            }
            (Some(_), Output::Json) => {
                Err(Failure::new(USAGE, "-f and -O json exclude each other"))
            }
            (Some(format), Output::Text) => match Format::parse(format) {
                Ok(format) => Ok(Self::Format(format)),
                Err(error) => Err(Failure::new(USAGE, error.to_string())),
            },
            (None, Output::Text) => {
                let plain = args.key_delimiter.is_some() || args.record_delimiter.is_some();
                if let Some(Colour(colour)) = terminal.filter(|_| !plain) {
                    return Ok(Self::Terminal { colour });
                }
                let key = args.key_delimiter.as_deref().map(unescape).transpose()?;
                let record = unescape(args.record_delimiter.as_deref().unwrap_or("\\n"))?;
                Ok(Self::Format(Format::plain(key, record)))
            }
        }
    }

    /// Appends a record.
    pub(super) fn write(&self, out: &mut Vec<u8>, fields: &Fields<'_>) {
        match self {
            Self::Format(format) => format.write(out, fields),
            Self::Jsonl => jsonl::write_record(out, fields),
            Self::Terminal { colour } => terminal::write_record(out, fields, *colour),
        }
    }
}

/// Whether the terminal that is written to shall show colours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Colour(pub(super) bool);
