//! Quotas of clients (KIP-546): kept and shown as they were set. Nobody is slowed down by them.
//!
//! `entity` is whom a quota is for and which keys it may have, `filter` who is asked for. Both are pure.

mod entity;
mod filter;

pub(crate) use self::entity::{Entity, Refused, Values, changed, entity};
pub(crate) use self::filter::{Component, Filter, Match};

use crate::journal::{Change, Journal};
use klamm_protocol::error_code::ErrorCode;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Keys of the journal that belong to quotas.
const JOURNAL: &str = "quota/";
/// Entities that may have quotas.
const MAX_ENTITIES: usize = 100_000;

/// What was set, by entity.
#[derive(Debug, Default)]
pub(crate) struct Quotas(Mutex<BTreeMap<Entity, Values>>);

impl Quotas {
    /// Puts the quotas of an entity in place, none to take them away, and gives what to wait for.
    ///
    /// # Errors
    /// POLICY_VIOLATION, or the journal cannot be written; nothing has changed then.
    pub(crate) fn set(
        &self,
        entity: Entity,
        change: impl FnOnce(&Values) -> Result<Values, Refused>,
        write: impl FnOnce(Vec<Change>) -> Result<i64, ErrorCode>,
    ) -> Result<i64, Refused> {
        let mut all = self.0.lock();
        let none = Values::new();
        let values = change(all.get(&entity).unwrap_or(&none))?;
        if !all.contains_key(&entity) && all.len() >= MAX_ENTITIES {
            let why = "there are too many entities with quotas".to_owned();
            return Err(Refused { code: ErrorCode::POLICY_VIOLATION, why });
        }
        let storage = |why: String| Refused { code: ErrorCode::KAFKA_STORAGE_ERROR, why };
        let key = serde_json::to_string(&entity).map_err(|e| storage(e.to_string()))?;
        let value = serde_json::to_vec(&values).map_err(|e| storage(e.to_string()))?;
        let value = (!values.is_empty()).then_some(value);
        let written = write(vec![(format!("{JOURNAL}{key}"), value)]);
        let written = written.map_err(Refused::new)?;
        match values.is_empty() {
            true => all.remove(&entity),
            false => all.insert(entity, values),
        };
        Ok(written)
    }

    /// The entities that the filter means, with their quotas.
    pub(crate) fn find(&self, filter: &Filter) -> Vec<(Entity, Values)> {
        let all = self.0.lock();
        let found = all.iter().filter(|(entity, _)| filter.means(entity));
        found.map(|(entity, values)| (entity.clone(), values.clone())).collect()
    }

    /// Reads what was written down.
    pub(crate) fn restore(&self, journal: &Journal) -> Result<(), serde_json::Error> {
        let mut all = self.0.lock();
        for (key, value) in journal.entries(JOURNAL) {
            all.insert(serde_json::from_str(&key)?, serde_json::from_slice(&value)?);
        }
        Ok(())
    }
}
