//! Pure: JSON that passes through, checked without a tree: where each value begins and ends, or where it is wrong.

use std::borrow::Cow;
use std::ops::Range;
use thiserror::Error;

/// How deep arrays and objects may be nested: what common readers accept.
pub const DEPTH_MAX: usize = 128;

/// What is wrong with a text that should be JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Wrong {
    /// The text ends within a value.
    #[error("the text ends within a value")]
    Truncated,
    /// A character that cannot stand there.
    #[error("a character that cannot stand here")]
    Unexpected,
    /// A number that JSON does not know.
    #[error("not a number of JSON")]
    Number,
    /// An escape in a string that JSON does not know, or half of a pair of surrogates.
    #[error("not an escape of JSON")]
    Escape,
    /// A control character within a string.
    #[error("a control character in a string")]
    Control,
    /// Not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// More than [`DEPTH_MAX`] levels.
    #[error("nested deeper than 128 levels")]
    Depth,
    /// Something after the value.
    #[error("more after the end of the value")]
    Trailing,
}

/// What is wrong, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong.
    pub wrong: Wrong,
    /// The offset of the byte in the whole text.
    pub at: usize,
}

/// Checks that `text` is exactly one JSON value, with white space around it at most.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(text: &[u8]) -> Result<Range<usize>, JsonError> {
    let mut scanner = Scanner::new(text)?;
    let value = scanner.value()?;
    scanner.end()?;
    Ok(value)
}

/// Walks over a text, value by value; it never goes back and never recurses.
#[derive(Debug)]
pub struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

/// The arrays and objects around a value: one bit for each, set for an object.
#[derive(Default)]
struct Open {
    bits: u128,
    depth: usize,
}

impl Open {
    fn push(&mut self, object: bool) -> bool {
        self.bits = self.bits << 1 | u128::from(object);
        self.depth += 1;
        self.depth <= DEPTH_MAX
    }

    fn pop(&mut self) {
        self.bits >>= 1;
        self.depth -= 1;
    }

    fn innermost_is_object(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.bits & 1 == 1)
    }
}

impl<'a> Scanner<'a> {
    /// At the beginning of `text`.
    ///
    /// # Errors
    /// [`Wrong::Utf8`] at the first byte that is not.
    pub fn new(text: &'a [u8]) -> Result<Self, JsonError> {
        match std::str::from_utf8(text) {
            Ok(_) => Ok(Self { text, at: 0 }),
            Err(error) => Err(JsonError { wrong: Wrong::Utf8, at: error.valid_up_to() }),
        }
    }

    /// Passes a whole value, and says where it stands.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn value(&mut self) -> Result<Range<usize>, JsonError> {
        self.space();
        let start = self.at;
        let mut open = Open::default();
        loop {
            let has_items = self.begin(&mut open)?;
            if !has_items && self.close(&mut open)? {
                return Ok(start..self.at);
            }
        }
    }

    /// Passes a whole value that nobody needs.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn skip(&mut self) -> Result<(), JsonError> {
        self.value().map(|_| ())
    }

    /// Nothing but white space is left.
    ///
    /// # Errors
    /// [`Wrong::Trailing`] where something stands.
    pub fn end(&mut self) -> Result<(), JsonError> {
        if self.is_at_end() { Ok(()) } else { self.fail(Wrong::Trailing) }
    }

    /// Whether nothing but white space is left.
    pub fn is_at_end(&mut self) -> bool {
        self.space();
        self.at == self.text.len()
    }

    /// Where the next value begins.
    pub fn position(&mut self) -> usize {
        self.space();
        self.at
    }

    /// The first byte of the next value, which tells its type.
    pub fn peek(&mut self) -> Option<u8> {
        self.space();
        self.text.get(self.at).copied()
    }

    /// Calls `field` with the name of each field of the object that comes next; it must pass exactly the field's value.
    ///
    /// # Errors
    /// What `field` says, or that this is no object.
    pub fn fields<E: From<JsonError>>(
        &mut self,
        mut field: impl FnMut(&mut Self, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'{')?;
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            let name = self.name()?;
            field(self, &name)?;
            if self.eat(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// Calls `item` for each item of the array that comes next; it must pass exactly that item.
    ///
    /// # Errors
    /// What `item` says, or that this is no array.
    pub fn items<E: From<JsonError>>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'[')?;
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.eat(b']') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// Passes a string and gives what it says, escapes resolved.
    ///
    /// # Errors
    /// It is no string, or one that stands for no text.
    pub fn text(&mut self) -> Result<Cow<'a, str>, JsonError> {
        if self.peek() != Some(b'"') {
            return self.fail_here();
        }
        let start = self.at;
        self.string()?;
        let quoted = &self.text[start..self.at];
        let inner = &quoted[1..quoted.len() - 1];
        if !inner.contains(&b'\\') {
            let plain = std::str::from_utf8(inner);
            return plain.map(Cow::Borrowed).or(Err(JsonError { wrong: Wrong::Utf8, at: start }));
        }
        let resolved = serde_json::from_slice::<String>(quoted);
        resolved.map(Cow::Owned).or(Err(JsonError { wrong: Wrong::Escape, at: start }))
    }

    /// The bytes of a value that was passed.
    pub fn slice(&self, range: Range<usize>) -> &'a [u8] {
        self.text.get(range).unwrap_or_default()
    }

    /// Begins a value; true if its first item comes next.
    fn begin(&mut self, open: &mut Open) -> Result<bool, JsonError> {
        self.space();
        match self.text.get(self.at) {
            Some(b'{') => self.open(open, true),
            Some(b'[') => self.open(open, false),
            Some(b'"') => self.string().map(|()| false),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(_) => self.fail(Wrong::Unexpected),
            None => self.fail(Wrong::Truncated),
        }
    }

    fn open(&mut self, open: &mut Open, object: bool) -> Result<bool, JsonError> {
        if !open.push(object) {
            return self.fail(Wrong::Depth);
        }
        self.at += 1;
        if self.eat(if object { b'}' } else { b']' }) {
            open.pop();
            return Ok(false);
        }
        if object {
            self.skip_name()?;
        }
        Ok(true)
    }

    /// After a value: closes what ends with it; true once nothing is open, false if another item comes.
    fn close(&mut self, open: &mut Open) -> Result<bool, JsonError> {
        while let Some(object) = open.innermost_is_object() {
            self.space();
            match self.text.get(self.at) {
                Some(b',') => {
                    self.at += 1;
                    if object {
                        self.skip_name()?;
                    }
                    return Ok(false);
                }
                Some(b'}') if object => open.pop(),
                Some(b']') if !object => open.pop(),
                Some(_) => return self.fail(Wrong::Unexpected),
                None => return self.fail(Wrong::Truncated),
            }
            self.at += 1;
        }
        Ok(true)
    }

    fn name(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let name = self.text()?;
        self.expect(b':')?;
        Ok(name)
    }

    fn skip_name(&mut self) -> Result<(), JsonError> {
        if self.peek() != Some(b'"') {
            return self.fail_here();
        }
        self.string()?;
        self.expect(b':')
    }

    /// Passes a string that begins here.
    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let special = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < 0x20;
            let Some(plain) = rest.iter().position(special) else {
                self.at = self.text.len();
                return self.fail(Wrong::Truncated);
            };
            self.at += plain;
            match rest[plain] {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                _ => return self.fail(Wrong::Control),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        match rest.first() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = rest.get(1..5).unwrap_or(&rest[1..]);
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return self.fail(Wrong::Escape);
                }
                if digits.len() < 4 {
                    self.at = self.text.len();
                    return self.fail(Wrong::Truncated);
                }
                self.at += 6;
            }
            Some(_) => return self.fail(Wrong::Escape),
            None => return self.fail(Wrong::Truncated),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        self.at += usize::from(self.text[self.at] == b'-');
        match self.text.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        // "01" is two numbers side by side, which nobody means.
        if self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            return self.fail(Wrong::Number);
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        match digits {
            0 if self.at == self.text.len() => self.fail(Wrong::Truncated),
            0 => self.fail(Wrong::Number),
            _ => Ok(()),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<bool, JsonError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let same = rest.iter().zip(word).take_while(|(a, b)| a == b).count();
        self.at += same;
        if same == word.len() {
            return Ok(false);
        }
        self.fail_here()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.eat(byte) {
            return Ok(());
        }
        self.fail_here()
    }

    /// What stands here cannot, or nothing does.
    fn fail_here<T>(&self) -> Result<T, JsonError> {
        let at_end = self.at == self.text.len();
        self.fail(if at_end { Wrong::Truncated } else { Wrong::Unexpected })
    }

    fn fail<T>(&self, wrong: Wrong) -> Result<T, JsonError> {
        Err(JsonError { wrong, at: self.at })
    }
}

#[cfg(test)]
mod tests;
