//! Which of Kafka's schemas are generated.

use super::schema::Message;
use crate::failure::{Doing, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// APIs whose schema names the brokers' listener although only brokers and controllers call them.
const NOT_CLIENT_FACING: &[&str] = &[
    "AddRaftVoter",
    "RemoveRaftVoter",
    "UpdateRaftVoter",
    "UnregisterController",
    "InitializeShareGroupState",
    "ReadShareGroupState",
    "WriteShareGroupState",
    "DeleteShareGroupState",
    "ReadShareGroupStateSummary",
];

/// Schemas that are no request or response but travel inside one.
const EMBEDDED: &[&str] = &["ConsumerProtocolAssignment", "ConsumerProtocolSubscription"];

/// The messages of every client-facing API, by name.
#[derive(Debug)]
pub(super) struct Catalogue {
    messages: BTreeMap<String, Message>,
}

impl Catalogue {
    /// Reads every schema in `dir` and keeps those a client or a client-facing broker needs.
    pub(super) fn load(dir: &Path) -> Result<Self> {
        let mut messages = BTreeMap::new();
        for entry in fs::read_dir(dir).doing(dir.display())? {
            let path = entry.doing(dir.display())?.path();
            if path.extension().is_some_and(|e| e == "json") {
                let text = fs::read_to_string(&path).doing(path.display())?;
                let message = Message::parse(&text).doing(path.display())?;
                messages.insert(message.name.clone(), message);
            }
        }
        let facing: Vec<i16> = messages
            .values()
            .filter(|m| m.is_request() && m.listeners.iter().any(|l| l == "broker"))
            .filter(|m| !NOT_CLIENT_FACING.contains(&m.api_name()))
            .filter_map(|m| m.api_key)
            .collect();
        messages.retain(|name, m| match m.api_key {
            Some(key) => facing.contains(&key) && !m.valid_versions.is_empty(),
            None => EMBEDDED.contains(&name.as_str()),
        });
        Ok(Self { messages })
    }

    /// Every message, by name.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    /// Every request, by API key.
    pub(super) fn requests(&self) -> Vec<&Message> {
        let mut requests: Vec<_> = self.messages().filter(|m| m.is_request()).collect();
        requests.sort_by_key(|m| m.api_key);
        requests
    }
}
