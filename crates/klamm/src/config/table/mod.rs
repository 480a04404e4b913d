//! The one table of settings: Kafka's names, other clients' names for the same, and what they do here.

/// A row of a setting that has its effect.
macro_rules! key {
    ($scope:ident, $name:literal, [$($alias:literal),*], $default:literal, $doc:literal, $apply:expr) => {
        Key { name: $name, aliases: &[$($alias),*], scope: Scope::$scope, default: $default, doc: $doc, apply: Apply::$scope($apply) }
    };
}

mod accepted;
mod client;
mod consumer;
mod producer;
mod reference;
#[cfg(test)]
mod tests;
mod values;

pub use self::reference::reference;

use super::{ClientConfig, ConfigError, ConsumerConfig, ProducerConfig};

/// What a setting belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every kind of client.
    Client,
    /// Producers.
    Producer,
    /// Consumers.
    Consumer,
    /// Known to Kafka's Java client, without meaning here.
    Accepted,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Kafka's name, or klamm's own where Kafka has no such setting.
    pub name: &'static str,
    /// librdkafka's names for the same.
    pub aliases: &'static [&'static str],
    /// What it belongs to.
    pub scope: Scope,
    /// The default as text.
    pub default: &'static str,
    /// What it does, in one sentence; where klamm departs from Java, why.
    pub doc: &'static str,
    apply: Apply,
}

/// A remark on a setting that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// It has its effect.
    Applied,
    /// It is known and has no effect here; the text says why.
    NoEffect(&'static str),
}

type Parsed = Result<(), String>;

#[derive(Debug, Clone, Copy)]
enum Apply {
    Client(fn(&mut ClientConfig, &str) -> Parsed),
    Producer(fn(&mut ProducerConfig, &str) -> Parsed),
    Consumer(fn(&mut ConsumerConfig, &str) -> Parsed),
    Nothing,
}

/// Every setting, by name.
pub fn table() -> impl Iterator<Item = &'static Key> {
    let all = client::CLIENT.iter().chain(producer::PRODUCER).chain(consumer::CONSUMER);
    all.chain(accepted::ACCEPTED)
}

/// Sets one setting of a producer by name, as `client.properties` and `-X` have it. Settings of
/// consumers have no effect.
///
/// # Errors
/// [`ConfigError::Unknown`] naming the nearest setting, or [`ConfigError::Invalid`].
pub fn set(
    client: &mut ClientConfig,
    producer: &mut ProducerConfig,
    name: &str,
    value: &str,
) -> Result<Note, ConfigError> {
    let key = find(name)?;
    let parsed = match key.apply {
        Apply::Client(apply) => apply(client, value),
        Apply::Producer(apply) => apply(producer, value),
        Apply::Consumer(_) => return Ok(Note::NoEffect("It is a setting of consumers.")),
        Apply::Nothing => return Ok(Note::NoEffect(key.doc)),
    };
    noted(name, parsed)
}

/// Sets one setting of a consumer by name, as `client.properties` and `-X` have it. Settings of
/// producers have no effect.
///
/// # Errors
/// As for [`set`].
pub fn set_consumer(
    client: &mut ClientConfig,
    consumer: &mut ConsumerConfig,
    name: &str,
    value: &str,
) -> Result<Note, ConfigError> {
    let key = find(name)?;
    let parsed = match key.apply {
        Apply::Client(apply) => apply(client, value),
        Apply::Consumer(apply) => apply(consumer, value),
        Apply::Producer(_) => return Ok(Note::NoEffect("It is a setting of producers.")),
        Apply::Nothing => return Ok(Note::NoEffect(key.doc)),
    };
    noted(name, parsed)
}

fn find(name: &str) -> Result<&'static Key, ConfigError> {
    let key = table().find(|k| k.name == name || k.aliases.contains(&name));
    key.ok_or_else(|| ConfigError::Unknown { name: name.to_owned(), nearest: nearest(name) })
}

fn noted(name: &str, parsed: Parsed) -> Result<Note, ConfigError> {
    parsed.map_err(|reason| ConfigError::invalid(name, reason))?;
    Ok(Note::Applied)
}

/// The name at the smallest edit distance, if that is small for a name of this length.
fn nearest(name: &str) -> Option<&'static str> {
    let names = table().flat_map(|k| std::iter::once(&k.name).chain(k.aliases));
    let (distance, best) = names.map(|n| (edit_distance(name, n), *n)).min()?;
    (distance <= 2 + name.len() / 5).then_some(best)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, cb) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
