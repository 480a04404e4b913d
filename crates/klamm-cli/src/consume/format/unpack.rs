//! Pure: `unpack`: numbers and characters out of binary fields.

use std::ops::ControlFlow;

/// What is taken out of the bytes, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unpack(Vec<Step>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Number { bytes: u8, signed: bool, little: bool },
    Character,
    Rest,
    End,
}

impl Unpack {
    /// Reads the letters; little endian until `>`.
    ///
    /// # Errors
    /// The place of the first letter that cannot stand there, and why.
    pub(super) fn parse(letters: &str) -> Result<Self, (usize, String)> {
        let (mut steps, mut little) = (Vec::new(), true);
        for (at, letter) in letters.char_indices() {
            match steps.last() {
                Some(Step::Rest) if letter != '$' => {
                    return Err((at, "only $ can follow s".to_owned()));
                }
                Some(Step::End) => return Err((at, "nothing can follow $".to_owned())),
                _ => {}
            }
            let number = |bytes, signed| Step::Number { bytes, signed, little };
            steps.push(match letter {
                'x' => continue,
                '<' | '>' => {
                    little = letter == '<';
                    continue;
                }
                'b' => number(1, true),
                'B' => number(1, false),
                'h' => number(2, true),
                'H' => number(2, false),
                'i' => number(4, true),
                'I' => number(4, false),
                'q' => number(8, true),
                'Q' => number(8, false),
                'c' | '.' => Step::Character,
                's' => Step::Rest,
                '$' => Step::End,
                _ => {
                    let known = "x < > b B h H i I q Q c . s $";
                    return Err((at, format!("unpack has no {letter:?}; there are {known}")));
                }
            });
        }
        Ok(Self(steps))
    }

    /// Writes what is in the bytes; where they do not fit, a remark that begins with `%!`.
    pub(super) fn write(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        let mut rest = bytes;
        let _ = self.0.iter().try_for_each(|step| step.write(out, &mut rest));
    }
}

impl Step {
    fn write(self, out: &mut Vec<u8>, rest: &mut &[u8]) -> ControlFlow<()> {
        match self {
            Step::Number { bytes, signed, little } => {
                let need = usize::from(bytes);
                let Some((number, after)) = rest.split_at_checked(need) else {
                    let remark = format!("%!(have {} bytes, need {need})", rest.len());
                    out.extend_from_slice(remark.as_bytes());
                    // What follows would be read from the wrong place.
                    return ControlFlow::Break(());
                };
                *rest = after;
                out.extend_from_slice(decimal(number, signed, little).as_bytes());
            }
            Step::Character => match rest.split_first() {
                Some((byte, after)) => {
                    out.push(*byte);
                    *rest = after;
                }
                None => out.extend_from_slice(b"%!c(no bytes available)"),
            },
            Step::Rest => out.extend_from_slice(std::mem::take(rest)),
            Step::End if !rest.is_empty() => out.extend_from_slice(b"%!$(not end-of-input)"),
            Step::End => {}
        }
        ControlFlow::Continue(())
    }
}

/// At most eight bytes as a decimal number.
fn decimal(bytes: &[u8], signed: bool, little: bool) -> String {
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    let number = match little {
        true => bytes.iter().rev().fold(0, add),
        false => bytes.iter().fold(0, add),
    };
    if !signed {
        return number.to_string();
    }
    let unused = 64 - 8 * bytes.len() as u32;
    let shifted = number.checked_shl(unused).unwrap_or(0).cast_signed();
    shifted.checked_shr(unused).unwrap_or(0).to_string()
}

#[cfg(test)]
mod tests {
    use super::Unpack;

    #[test]
    fn numbers_and_characters_out_of_bytes() {
        let table: [(&str, &[u8], &str); 15] = [
            ("i", b"\x01\0\0\0", "1"),
            (">I", b"\0\0\x01\x02", "258"),
            ("b", b"\xff", "-1"),
            ("B", b"\xff", "255"),
            ("h>h", b"\xfe\xff\xff\xfe", "-2-2"),
            (">H<H", b"\x01\0\x01\0", "2561"),
            ("q", b"\xff\xff\xff\xff\xff\xff\xff\xff", "-1"),
            ("Q", b"\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
            ("xxc.s", b"abcd", "abcd"),
            ("is$", b"\x05\0\0\0text", "5text"),
            ("c$", b"a", "a"),
            ("c$", b"ab", "a%!$(not end-of-input)"),
            ("ii", b"\x01\0\0\0\x02", "1%!(have 1 bytes, need 4)"),
            ("c", b"", "%!c(no bytes available)"),
            ("", b"abc", ""),
        ];
        for (letters, bytes, expected) in table {
            let mut out = Vec::new();
            Unpack::parse(letters).unwrap().write(&mut out, bytes);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{letters} of {bytes:?}");
        }
    }

    #[test]
    fn letters_that_cannot_stand_there_are_named_with_their_place() {
        for (letters, at) in [("bz", 1), ("si", 1), ("$i", 1), ("s$$", 2), ("<é", 1)] {
            assert_eq!(Unpack::parse(letters).unwrap_err().0, at, "{letters}");
        }
    }
}
