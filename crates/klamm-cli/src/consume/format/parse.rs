//! Pure: reads the grammar of record formats.

use super::go_layout::GoLayout;
use super::number::{self, NumberForm};
use super::text::{self, TextForm};
use super::time::TimeForm;
use super::unpack::Unpack;
use super::{Format, Number, Piece, Text, Time};
use std::fmt;

/// What cannot be read of a format, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::consume) struct FormatError {
    format: String,
    /// In bytes from the start.
    at: usize,
    reason: String,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.format.get(..self.at).unwrap_or(&self.format).chars().count();
        writeln!(f, "the format at character {}: {}", before + 1, self.reason)?;
        // One line, or the mark would not stand below what it marks.
        let line: String =
            self.format.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        write!(f, "  {line}\n  {:before$}^", "")
    }
}

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    /// [`FormatError`] at the first thing that is unknown or not closed.
    pub(in crate::consume) fn parse(format: &str) -> Result<Self, FormatError> {
        let pieces = Reader { format, at: 0, header_from: None }.pieces()?;
        Ok(Self { pieces })
    }
}

struct Reader<'a> {
    format: &'a str,
    at: usize,
    /// Where the header specification began, inside of one.
    header_from: Option<usize>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.format.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn error<T>(&self, at: usize, reason: impl Into<String>) -> Result<T, FormatError> {
        Err(FormatError { format: self.format.to_owned(), at, reason: reason.into() })
    }

    /// Up to the end of the format, or of the header specification.
    fn pieces(&mut self) -> Result<Vec<Piece>, FormatError> {
        let (mut pieces, mut literal, mut braces) = (Vec::new(), Vec::new(), 0u32);
        loop {
            let from = self.at;
            let next = match (self.next(), self.header_from) {
                (None, None) => break,
                (None, Some(open)) => return self.error(open, "%h{ has no closing }"),
                (Some('}'), Some(_)) if braces == 0 => break,
                (Some(next), _) => next,
            };
            match next {
                '{' => braces += 1,
                '}' => braces = braces.saturating_sub(1),
                _ => {}
            }
            match next {
                '\\' => literal.push(self.escape(from)?),
                '%' => match self.rest().as_bytes().first() {
                    Some(&byte @ (b'%' | b'{' | b'}')) => {
                        self.at += 1;
                        literal.push(byte);
                    }
                    _ => {
                        flush(&mut literal, &mut pieces);
                        pieces.push(self.verb(from)?);
                    }
                },
                other => literal.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        flush(&mut literal, &mut pieces);
        Ok(pieces)
    }

    fn escape(&mut self, from: usize) -> Result<u8, FormatError> {
        Ok(match self.next() {
            Some('t') => b'\t',
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('x') => {
                let digits = self.rest().get(..2).unwrap_or_default();
                let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                let Some(byte) = u8::from_str_radix(digits, 16).ok().filter(|_| hex) else {
                    return self.error(from, r"\x takes two hexadecimal digits");
                };
                self.at += 2;
                byte
            }
            _ => return self.error(from, r"there are \t \n \r \0 \\ and \xNN"),
        })
    }

    fn verb(&mut self, from: usize) -> Result<Piece, FormatError> {
        let Some(verb) = self.next() else {
            return self.error(from, "% at the end; %% is a percent sign");
        };
        if self.header_from.is_some() && !matches!(verb, 'k' | 'K' | 'v' | 'V') {
            return self.error(from, format!("inside of %h{{}} there are %k %K %v %V, no %{verb}"));
        }
        if let Some(number) = number_of(verb) {
            return Ok(Piece::Number(number, self.number()?));
        }
        match verb {
            't' => Ok(Piece::Text(Text::Topic, self.text()?)),
            'k' => Ok(Piece::Text(Text::Key, self.text()?)),
            'v' => Ok(Piece::Text(Text::Value, self.text()?)),
            'd' => Ok(Piece::Time(Time::Timestamp, self.time()?)),
            'A' => Ok(Piece::Time(Time::AcquisitionDeadline, self.time()?)),
            'h' => self.headers(from),
            'a' => self.attribute(from),
            other => {
                let known = "t T k K v V h H p o e d i x y a [ | ] D A % { }";
                self.error(from, format!("unknown %{other}; after % there are {known}"))
            }
        }
    }

    /// Steps over `{`, if there is one.
    fn opens(&mut self) -> bool {
        let opens = self.rest().starts_with('{');
        self.at += usize::from(opens);
        opens
    }

    /// What stands before the closing brace, which is stepped over.
    fn modifier(&mut self) -> Result<&'a str, FormatError> {
        let Some((modifier, _)) = self.rest().split_once('}') else {
            return self.error(self.at - 1, "{ has no closing }; %{ is a brace");
        };
        self.at += modifier.len() + 1;
        Ok(modifier)
    }

    fn number(&mut self) -> Result<NumberForm, FormatError> {
        if !self.opens() {
            return Ok(NumberForm::Ascii);
        }
        self.number_form(number::NAMES)
    }

    fn number_form(&mut self, known: &str) -> Result<NumberForm, FormatError> {
        let at = self.at;
        let name = self.modifier()?;
        match NumberForm::parse(name) {
            Some(form) => Ok(form),
            None => self.error(at, format!("unknown {{{name}}}; there are {known}")),
        }
    }

    fn text(&mut self) -> Result<TextForm, FormatError> {
        if !self.opens() {
            return Ok(TextForm::Plain);
        }
        if let Some((from, letters)) = self.enclosed("unpack")? {
            return match Unpack::parse(letters) {
                Ok(unpack) => Ok(TextForm::Unpack(unpack)),
                Err((at, reason)) => self.error(from + at, reason),
            };
        }
        let at = self.at;
        let name = self.modifier()?;
        match TextForm::parse(name) {
            Some(form) => Ok(form),
            None => self.error(at, format!("unknown {{{name}}}; there are {}", text::NAMES)),
        }
    }

    fn time(&mut self) -> Result<TimeForm, FormatError> {
        if !self.opens() {
            return Ok(TimeForm::Number(NumberForm::Ascii));
        }
        if let Some((from, format)) = self.enclosed("strftime")? {
            return TimeForm::strftime(format).or_else(|reason| self.error(from, reason));
        }
        if let Some((_, layout)) = self.enclosed("go")? {
            return Ok(TimeForm::Go(GoLayout::parse(layout)));
        }
        let known = format!("go[…], strftime[…], {}", number::NAMES);
        self.number_form(&known).map(TimeForm::Number)
    }

    /// What `name` encloses in any number of brackets, braces, parentheses or other signs, such as
    /// `strftime[%F]` or `go##15:04##`, and where it begins; `None` if something else comes.
    fn enclosed(&mut self, name: &str) -> Result<Option<(usize, &'a str)>, FormatError> {
        let Some(after) = self.rest().strip_prefix(name) else { return Ok(None) };
        let opening = self.at + name.len();
        let sign = |c: &char| c.is_ascii_punctuation() && *c != '}';
        let Some(open) = after.chars().next().filter(sign) else {
            return self
                .error(opening, format!("{name} takes what it is to do in brackets: {name}[…]"));
        };
        let inside = after.trim_start_matches(open);
        let close = match open {
            '{' => '}',
            '[' => ']',
            '(' => ')',
            same => same,
        };
        let close = close.to_string().repeat(after.len() - inside.len());
        let Some((enclosed, rest)) = inside.split_once(&close) else {
            return self.error(opening, format!("{name} has no closing {close}"));
        };
        let from = self.format.len() - inside.len();
        self.at = self.format.len() - rest.len();
        if self.next() != Some('}') {
            let end = self.format.len() - rest.len();
            return self.error(end, format!("}} has to follow {name}{open}…{close}"));
        }
        Ok(Some((from, enclosed)))
    }

    fn headers(&mut self, from: usize) -> Result<Piece, FormatError> {
        if !self.opens() {
            return self.error(from, "%h takes what is written of each header: %h{%k=%v }");
        }
        self.header_from = Some(from);
        let pieces = self.pieces()?;
        self.header_from = None;
        Ok(Piece::Headers(pieces))
    }

    fn attribute(&mut self, from: usize) -> Result<Piece, FormatError> {
        const KNOWN: &str = "timestamp-type, transactional-bit, control-bit";
        if !self.opens() {
            return self.error(from, format!("%a takes the attribute: %a{{…}}, of {KNOWN}"));
        }
        let at = self.at;
        let modifier = self.modifier()?;
        let (name, form) = modifier.split_once(';').unwrap_or((modifier, "ascii"));
        let attribute = match name {
            "timestamp-type" => Number::TimestampType,
            "transactional-bit" => Number::TransactionalBit,
            "control-bit" => Number::ControlBit,
            "compression" => {
                let reason = "how a record was compressed is not known once it is read";
                return self.error(at, reason);
            }
            _ => return self.error(at, format!("unknown {{{name}}}; there are {KNOWN}")),
        };
        match NumberForm::parse(form) {
            Some(form) => Ok(Piece::Number(attribute, form)),
            None => {
                let at = at + name.len() + 1;
                self.error(at, format!("unknown {form:?}; there are {}", number::NAMES))
            }
        }
    }
}

fn flush(literal: &mut Vec<u8>, pieces: &mut Vec<Piece>) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal)));
    }
}

fn number_of(verb: char) -> Option<Number> {
    Some(match verb {
        'T' => Number::TopicLength,
        'K' => Number::KeyLength,
        'V' => Number::ValueLength,
        'H' => Number::HeaderCount,
        'p' => Number::Partition,
        'o' => Number::Offset,
        'e' => Number::LeaderEpoch,
        'i' => Number::Count,
        'x' => Number::ProducerId,
        'y' => Number::ProducerEpoch,
        'D' => Number::DeliveryCount,
        '[' => Number::LogStartOffset,
        '|' => Number::LastStableOffset,
        ']' => Number::HighWatermark,
        _ => return None,
    })
}
