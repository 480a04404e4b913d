//! Pure: what each client was answered, request by request.

use std::fmt;
use std::str::FromStr;

/// The name of a record in the log, its header `klamm-id`: `<instance>/<sequence>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Of the log.
    pub instance: Box<str>,
    /// Of the record in it.
    pub sequence: u64,
}

impl Id {
    /// The one so many behind it.
    pub fn plus(&self, count: usize) -> Self {
        let sequence = self.sequence.saturating_add(count as u64);
        Self { instance: self.instance.clone(), sequence }
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (instance, sequence) =
            text.rsplit_once('/').ok_or_else(|| format!("{text:?}: no id"))?;
        let sequence = sequence.parse().map_err(|_| format!("{text:?}: no id"))?;
        Ok(Self { instance: instance.into(), sequence })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.instance, self.sequence)
    }
}

/// What a record says of itself: no two say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// Who sent it.
    pub client: u32,
    /// The request it was in, counted by its client from 0.
    pub request: u32,
    /// Which of its records.
    pub index: u32,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.client, self.request, self.index)
    }
}

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<u32>, _> = text.split('-').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[client, request, index]) => Ok(Self { client, request, index }),
            _ => Err(format!("{text:?}: no token")),
        }
    }
}

/// What a request was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 202: its records are in the log, from this id on.
    Accepted(Id),
    /// 200 as Confluent's API has it: each record is in Kafka at this partition and offset.
    Stored(Vec<(i32, i64)>),
    /// Another status.
    Refused(u16),
    /// Nothing, or nothing that can be read: it may have been taken, and is not sent again.
    Nothing,
}

/// The answers of all clients; each sends the requests 0, 1, 2, ... one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    clients: Vec<Vec<Answer>>,
}

impl Ledger {
    /// The answers of clients, by their numbers.
    pub fn new(clients: Vec<Vec<Answer>>) -> Self {
        Self { clients }
    }

    /// Takes up what clients were answered who went on where those of this ledger had stopped.
    pub fn append(&mut self, later: Self) {
        let clients = self.clients.len().max(later.clients.len());
        self.clients.resize(clients, Vec::new());
        for (answers, more) in self.clients.iter_mut().zip(later.clients) {
            answers.extend(more);
        }
    }

    /// How many requests a client has sent.
    pub fn requests(&self, client: u32) -> u32 {
        let answers = usize::try_from(client).ok().and_then(|client| self.clients.get(client));
        answers.map_or(0, |answers| u32::try_from(answers.len()).unwrap_or(u32::MAX))
    }

    /// The answer to a request.
    pub fn answer(&self, client: u32, request: u32) -> Option<&Answer> {
        let answers = self.clients.get(usize::try_from(client).ok()?)?;
        answers.get(usize::try_from(request).ok()?)
    }

    /// All answers with client and request.
    pub fn answers(&self) -> impl Iterator<Item = (u32, u32, &Answer)> {
        (0..).zip(&self.clients).flat_map(|(client, answers)| {
            (0..).zip(answers).map(move |(request, answer)| (client, request, answer))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Id, Ledger, Token};

    #[test]
    fn names_are_read_as_they_are_written() {
        let id: Id = "ab-1/77".parse().unwrap();
        assert_eq!((&*id.instance, id.sequence), ("ab-1", 77));
        assert_eq!(id.plus(3).to_string(), "ab-1/80");
        let token: Token = "3-14-1".parse().unwrap();
        assert_eq!(token, Token { client: 3, request: 14, index: 1 });
        assert_eq!(token.to_string(), "3-14-1");
        for bad in ["", "3", "3-1", "3-1-2-4", "a-b-c", "/"] {
            assert!(bad.parse::<Token>().is_err() && bad.parse::<Id>().is_err(), "{bad}");
        }
    }

    #[test]
    fn clients_go_on_where_they_stopped() {
        let mut ledger = Ledger::new(vec![vec![Answer::Nothing], vec![]]);
        let later = vec![vec![Answer::Refused(503)], vec![Answer::Nothing], vec![Answer::Nothing]];
        ledger.append(Ledger::new(later));
        assert_eq!((ledger.requests(0), ledger.requests(1), ledger.requests(2)), (2, 1, 1));
        assert_eq!(ledger.answer(0, 1), Some(&Answer::Refused(503)));
        assert_eq!((ledger.requests(3), ledger.answer(0, 2)), (0, None));
        assert_eq!(ledger.answers().count(), 4);
    }
}
