//! Pure: just enough of Rust to tell code from comments, strings and tests.

/// A Rust file, taken apart.
#[derive(Debug)]
pub(crate) struct Source {
    /// The text with the inside of every comment and string blanked; offsets and lines are unchanged.
    pub(crate) code: String,
    /// The same, with modules behind `#[cfg(test)]` blanked as well.
    pub(crate) shipped: String,
}

impl Source {
    /// Reads `text`.
    pub(crate) fn read(text: &str) -> Self {
        let code = masked(text);
        let shipped = without_tests(&code);
        Self { code, shipped }
    }
}

/// The line of byte `offset`, counted from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1
}

/// Every place where `word` stands in `code` and is not part of a longer identifier.
pub(crate) fn find_word<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |byte: Option<&u8>| byte.is_some_and(|&b| b == b'_' || b.is_ascii_alphanumeric());
    let starts_as_name = part(word.as_bytes().first());
    let ends_as_name = part(word.as_bytes().last());
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = at.checked_sub(1).and_then(|before| code.as_bytes().get(before));
        let after = code.as_bytes().get(at + word.len());
        let longer = starts_as_name && part(before) || ends_as_name && part(after);
        !longer
    })
}

/// The end of the block whose `{` is at `open`: the offset after its `}`.
pub(crate) fn block_end(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn masked(text: &str) -> String {
    let mut reader = Masker { text: text.as_bytes(), at: 0, out: Vec::with_capacity(text.len()) };
    while reader.at < reader.text.len() {
        reader.step();
    }
    // Only whole comments and string bodies became blanks, so this is UTF-8 still.
    String::from_utf8_lossy(&reader.out).into_owned()
}

struct Masker<'a> {
    text: &'a [u8],
    at: usize,
    out: Vec<u8>,
}

impl Masker<'_> {
    fn step(&mut self) {
        let rest = &self.text[self.at..];
        if rest.starts_with(b"//") {
            let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
            self.blank(end);
        } else if rest.starts_with(b"/*") {
            self.blank(block_comment(rest));
        } else if let Some((head, length)) = raw_string(rest).filter(|_| !self.inside_name()) {
            self.keep(head);
            self.blank(length - head);
        } else if rest[0] == b'"' {
            self.keep(1);
            self.blank(string_body(&self.text[self.at..]));
        } else if rest[0] == b'\'' {
            match char_literal(rest) {
                Some(length) => self.blank(length),
                None => self.keep(1),
            }
        } else {
            self.keep(1);
        }
    }

    fn inside_name(&self) -> bool {
        self.out.last().is_some_and(|&byte| byte == b'_' || byte.is_ascii_alphanumeric())
    }

    fn keep(&mut self, count: usize) {
        self.out.extend_from_slice(&self.text[self.at..self.at + count]);
        self.at += count;
    }

    fn blank(&mut self, count: usize) {
        let blank = |&byte: &u8| if byte == b'\n' { b'\n' } else { b' ' };
        self.out.extend(self.text[self.at..self.at + count].iter().map(blank));
        self.at += count;
    }
}

/// The length of the (nested) block comment that `rest` starts with.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// For `r"…"`, `r#"…"#` and their `b` and `c` forms: the length up to the quote, and of the whole.
fn raw_string(rest: &[u8]) -> Option<(usize, usize)> {
    let prefix = match rest {
        [b'r', ..] => 1,
        [b'b' | b'c', b'r', ..] => 2,
        _ => return None,
    };
    let hashes = rest[prefix..].iter().take_while(|&&byte| byte == b'#').count();
    let head = prefix + hashes + 1;
    (rest.get(head - 1) == Some(&b'"')).then_some(())?;
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let body = rest[head..].windows(close.len()).position(|window| window == close);
    Some((head, body.map_or(rest.len(), |body| head + body + close.len())))
}

/// The length of a string's body and closing quote, after the opening one.
fn string_body(body: &[u8]) -> usize {
    let mut at = 0;
    while at < body.len() {
        match body[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    body.len()
}

/// The length of a character literal, or `None` for a lifetime or label.
fn char_literal(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        let close = rest.iter().skip(3).position(|&byte| byte == b'\'')?;
        return Some(close + 4);
    }
    let width = match rest.get(1)? {
        byte if byte.is_ascii() => 1,
        byte => byte.leading_ones() as usize,
    };
    (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut shipped = code.as_bytes().to_vec();
    for (at, _) in code.match_indices(MARK) {
        let after = at + MARK.len();
        let Some(open) = code[after..].find(['{', ';']).map(|open| after + open) else { continue };
        let end = match code.as_bytes()[open] {
            b'{' => block_end(code, open).unwrap_or(code.len()),
            _ => open + 1,
        };
        for byte in shipped[at..end].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
    }
    String::from_utf8_lossy(&shipped).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Source, find_word, line_of};

    #[test]
    fn comments_strings_and_characters_are_blank() {
        let text = "let a = \"x\\\"tokio\"; // tokio\n/* a /* tokio */ b */ let c = 'x'; r#\"tokio\"#; '\\'';";
        let code = Source::read(text).code;
        assert_eq!(code.len(), text.len());
        assert!(!code.contains("tokio") && !code.contains("b */"), "{code}");
        assert!(code.contains("let c ="));
    }

    #[test]
    fn lifetimes_and_raw_identifiers_are_code() {
        let code = Source::read("fn f<'a>(x: &'a str, r#type: u8) -> &'a str { 'é'; x }").code;
        assert!(code.contains("&'a str, r#type") && code.ends_with("x }"), "{code}");
    }

    #[test]
    fn test_modules_are_not_shipped() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { { } } }\nfn c() {}";
        let shipped = Source::read(text).shipped;
        assert!(shipped.contains("fn a") && shipped.contains("fn c") && !shipped.contains("fn b"));
        assert_eq!(line_of(&shipped, shipped.find("fn c").unwrap()), 4);
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(find_word("Instant MyInstant Instants x::Instant", "Instant").count(), 2);
        assert_eq!(find_word("a.iter() b", ".iter(").count(), 1);
    }
}
