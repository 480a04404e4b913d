//! Secrets that a file names, so that it need not hold them.

use super::auth::text;
use super::given::{Given, Value};
use secrecy::{SecretString, zeroize::Zeroizing};
use std::fs::File;
use std::io::Read;

/// What a secret takes.
pub(super) const SECRET: &str =
    "{ env = name of a variable }, { file = name of a file } or the text itself";

/// No secret is longer.
const BYTES_MAX: u64 = 64 << 10;

/// The secret that is named. A line's end at the end of a file does not belong to it.
///
/// # Errors
/// There is none. Says where it should be, and nothing of what is there.
pub(super) fn secret(given: &Given) -> Result<SecretString, String> {
    let wrong = || format!("expected {SECRET}");
    let table = match &given.value {
        Value::Text(text) => return Ok(text.as_str().into()),
        Value::Table(table) => table,
        _ => return Err(wrong()),
    };
    let [(kind, value)] = &table[..] else { return Err(wrong()) };
    let name = text(value).filter(|name| !name.is_empty()).ok_or_else(wrong)?;
    match &*kind.name {
        "env" => variable(name),
        "file" => file(name).map_err(|reason| format!("{name}: {reason}")),
        _ => Err(wrong()),
    }
}

fn variable(name: &str) -> Result<SecretString, String> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    let value = value.ok_or_else(|| format!("the variable {name} is not set"))?;
    let text = value.into_string().map_err(|_| format!("the variable {name} is not UTF-8"))?;
    Ok(text.into())
}

fn file(path: &str) -> Result<SecretString, String> {
    let mut text = Zeroizing::new(String::new());
    let opened = File::open(path).map_err(|error| error.to_string())?;
    let read = opened.take(BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| error.to_string())?;
    if text.len() as u64 > BYTES_MAX {
        return Err("no secret is that long".to_owned());
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    match line.strip_suffix('\r').unwrap_or(line) {
        "" => Err("it is empty".to_owned()),
        secret => Ok(secret.into()),
    }
}
