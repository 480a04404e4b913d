//! Pure: the file of API keys and passwords: a line each, which no secret can be read from.
//!
//! ```text
//! key 3f9a1c2b7d4e orders-app sha256:9f86d0…b0f00a08 2026-01-31T12:00:00Z
//! key 0c55e1d2a901 orders-app sha256:2c26b4…66e7ae 2025-06-01T08:30:00Z revoked 2026-01-31T12:05:00Z
//! password grafana pbkdf2-sha256:600000:c2FsdA:mV4c… 2026-01-31T12:00:00Z
//! ```

use super::api_key::{KeyHash, KeyId};
use super::password::PasswordHash;
use std::collections::BTreeSet;
use std::fmt;
use thiserror::Error;

/// A file has no more lines.
const LINES_MAX: usize = 100_000;
/// A principal's name has no more bytes.
const NAME_MAX: usize = 255;

/// What is in the file, in its order.
#[derive(Debug, Clone, Default)]
pub struct CredentialsFile {
    /// A line each.
    pub entries: Vec<Entry>,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Whom it stands for.
    pub principal: String,
    /// What proves it.
    pub proof: StoredProof,
    /// When it was made, as RFC 3339 has it; for people.
    pub created: String,
    /// When it was revoked: from then on it proves nothing.
    pub revoked: Option<String>,
}

/// What is kept of a secret.
#[derive(Debug, Clone)]
pub enum StoredProof {
    /// Of an API key.
    Key {
        /// Its name.
        id: KeyId,
        /// Its hash.
        hash: KeyHash,
    },
    /// Of a password.
    Password(PasswordHash),
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct WrongLine {
    /// From 1 on.
    pub line: usize,
    /// What is wrong.
    pub reason: &'static str,
}

impl CredentialsFile {
    /// Reads the whole file. Empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// The first line that is none. Nothing of the file counts then: half a list of keys would lock people out.
    pub fn parse(text: &str) -> Result<Self, WrongLine> {
        let mut file = Self::default();
        let (mut ids, mut users) = (BTreeSet::new(), BTreeSet::new());
        for (line, text) in (1..).zip(text.lines()) {
            let wrong = |reason| WrongLine { line, reason };
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if line > LINES_MAX {
                return Err(wrong("there are too many lines"));
            }
            let entry = entry(text).map_err(wrong)?;
            let new = match &entry.proof {
                StoredProof::Key { id, .. } => ids.insert(*id),
                StoredProof::Password(_) => {
                    entry.revoked.is_some() || users.insert(entry.principal.clone())
                }
            };
            if !new {
                return Err(wrong("this key or user has a line above already"));
            }
            file.entries.push(entry);
        }
        Ok(file)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { principal, proof, created, revoked } = self;
        match proof {
            StoredProof::Key { id, hash } => {
                write!(f, "key {id} {principal} sha256:{hash} {created}")?;
            }
            StoredProof::Password(hash) => {
                write!(f, "password {principal} {} {created}", hash.to_text())?;
            }
        }
        revoked.as_ref().map_or(Ok(()), |time| write!(f, " revoked {time}"))
    }
}

/// The text of a file with one more line at its end; all others stay as they are.
///
/// # Errors
/// The text is wrong, or the new line contradicts it: the user has a password already.
pub fn with_entry(text: &str, entry: &Entry) -> Result<String, WrongLine> {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let text = format!("{text}{end}{entry}\n");
    CredentialsFile::parse(&text).map(|_| text)
}

/// The text of a file in which the lines that `chosen` picks are revoked from `time` on, and how many those are; revoked ones
/// are not asked about, and all others stay as they are.
///
/// # Errors
/// The text is wrong.
pub fn with_revoked(
    text: &str,
    time: &str,
    chosen: impl Fn(&Entry) -> bool,
) -> Result<(String, usize), WrongLine> {
    CredentialsFile::parse(text)?;
    let (mut new, mut count) = (String::with_capacity(text.len()), 0);
    for line in text.lines() {
        let found =
            entry(line.trim()).ok().filter(|entry| entry.revoked.is_none() && chosen(entry));
        match found {
            None => new.push_str(line),
            Some(entry) => {
                let revoked = Entry { revoked: Some(time.to_owned()), ..entry };
                new.push_str(&revoked.to_string());
                count += 1;
            }
        }
        new.push('\n');
    }
    Ok((new, count))
}

/// Whether a principal may have this name: 1 to 255 bytes, no white space and no control characters.
pub fn is_principal_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len())
        && !name.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn entry(line: &str) -> Result<Entry, &'static str> {
    let mut words = line.split_ascii_whitespace();
    let mut next = || words.next().ok_or("something is missing at its end");
    let (principal, proof) = match next()? {
        "key" => {
            let id = KeyId::parse(next()?).map_err(|_| "no key's name has this form")?;
            let principal = next()?;
            let hash = next()?.strip_prefix("sha256:").and_then(KeyHash::parse);
            let hash = hash.ok_or("a key's hash is sha256: and 64 hexadecimal digits")?;
            (principal, StoredProof::Key { id, hash })
        }
        "password" => {
            let principal = next()?;
            (principal, StoredProof::Password(PasswordHash::parse(next()?)?))
        }
        _ => return Err("it begins with neither key nor password"),
    };
    if !is_principal_name(principal) {
        return Err("a principal's name has 1 to 255 bytes and no control characters");
    }
    let created = next()?.to_owned();
    let revoked = match words.next() {
        None => None,
        Some("revoked") => Some(words.next().ok_or("when was it revoked?")?.to_owned()),
        Some(_) => return Err("something follows that does not belong here"),
    };
    if words.next().is_some() {
        return Err("something follows that does not belong here");
    }
    Ok(Entry { principal: principal.to_owned(), proof, created, revoked })
}

#[cfg(test)]
mod tests {
    use super::{
        CredentialsFile, StoredProof, WrongLine, is_principal_name, with_entry, with_revoked,
    };
    use proptest::prelude::*;

    const HASH: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn lines_come_back_as_they_were() {
        let password = "pbkdf2-sha256:10000:c2FsdHNhbHRzYWx0c2FsdA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let lines = [
            format!("key 00112233aabb app {HASH} 2026-01-01T00:00:00Z"),
            format!(
                "key 00112233aabc app {HASH} 2026-01-01T00:00:00Z revoked 2026-02-01T00:00:00Z"
            ),
            format!("password grafana {password} 2026-01-01T00:00:00Z"),
        ];
        let text = format!("# keys\n\n{}\r\n", lines.join("\n"));
        let file = CredentialsFile::parse(&text).unwrap();
        let again: Vec<String> = file.entries.iter().map(ToString::to_string).collect();
        assert_eq!(again, lines);
    }

    #[test]
    fn one_wrong_line_is_told_and_spoils_the_file() {
        let good = format!("key 00112233aabb app {HASH} now\n");
        for wrong in [
            "kex".to_owned(),
            "key".to_owned(),
            "key 00112233aabb".to_owned(),
            format!("key 00112233aab app {HASH} now"),
            "key 00112233aabc app sha256:00 now".to_owned(),
            format!("key 00112233aabc app {HASH}"),
            format!("key 00112233aabc app {HASH} now revoked"),
            format!("key 00112233aabc app {HASH} now later"),
            format!("key 00112233aabc app {HASH} now revoked then x"),
            format!("key 00112233aabc a\u{7}b {HASH} now"),
            format!("key 00112233aabb other {HASH} now"),
            "password x md5:aa now".to_owned(),
        ] {
            let file = CredentialsFile::parse(&format!("{good}{wrong}\n{good}"));
            let WrongLine { line, .. } = file.unwrap_err();
            assert_eq!(line, 2, "{wrong}");
        }
        let many = "\n".repeat(100_000) + &good;
        assert_eq!(CredentialsFile::parse(&many).unwrap_err().line, 100_001);
    }

    #[test]
    fn lines_are_added_and_revoked_and_the_rest_stays() {
        let text =
            format!("# ours\n  key 00112233aabb app {HASH} now\nkey 00112233aabc app {HASH} now");
        let line = format!("key 00112233aabd other {HASH} then");
        let new = CredentialsFile::parse(&line).unwrap().entries.remove(0);
        let three = with_entry(&text, &new).unwrap();
        assert_eq!(three, format!("{text}\n{line}\n"));
        assert_eq!(with_entry(&three, &new).unwrap_err().line, 5);
        let id = |id: &'static str| move |entry: &super::Entry| matches!(&entry.proof, StoredProof::Key { id: own, .. } if own.to_string() == id);
        let (two, count) = with_revoked(&three, "later", id("00112233aabc")).unwrap();
        assert_eq!(count, 1);
        let expected = three.replace(
            &format!("aabc app {HASH} now"),
            &format!("aabc app {HASH} now revoked later"),
        );
        assert_eq!(two, expected);
        let again = with_revoked(&two, "later still", id("00112233aabc")).unwrap();
        assert_eq!(again, (two.clone(), 0));
        let (none, count) = with_revoked(&two, "x", |entry| entry.principal == "app").unwrap();
        assert_eq!((count, none.matches(" revoked ").count()), (1, 2));
        assert!(with_revoked("nonsense", "x", |_| true).is_err());
    }

    #[test]
    fn names_have_no_blanks() {
        for name in ["a", "CN=x,O=y", "\u{e9}", &"x".repeat(255)] {
            assert!(is_principal_name(name));
        }
        for name in ["", "a b", "a\n", "\u{a0}", &"x".repeat(256)] {
            assert!(!is_principal_name(name));
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "((key|password|revoked|app|[0-9a-f]{12}|sha256:[0-9a-f]{64}|\\PC{1,4})[ \n]){0,20}") {
            let _ = CredentialsFile::parse(&text);
        }
    }
}
