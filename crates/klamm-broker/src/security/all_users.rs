//! The users of all listeners.
//!
//! Each listener that asks for logins has the users that its settings name, as in Kafka; what clients administer
//! (AlterUserScramCredentials) is in force at all of them.

use super::credential::Hash;
use super::users::{UserChange, UserList, Users};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Every listener's users.
#[derive(Debug, Default)]
pub(crate) struct AllUsers {
    /// With the list each was made of: listeners of one list share what was hashed.
    stores: Vec<(Arc<UserList>, Arc<Users>)>,
}

impl AllUsers {
    /// The users of a listener; those of the same list are the same.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(super) fn of(&mut self, list: &Arc<UserList>) -> Result<Arc<Users>, getrandom::Error> {
        if let Some((_, users)) = self.stores.iter().find(|(known, _)| Arc::ptr_eq(known, list)) {
            return Ok(users.clone());
        }
        let users = Arc::new(Users::new(list)?);
        self.stores.push((list.clone(), users.clone()));
        Ok(users)
    }

    /// Has a place for what clients administer also where no listener asks for logins.
    ///
    /// # Errors
    /// As [`AllUsers::of`].
    pub(super) fn settle(&mut self) -> Result<(), getrandom::Error> {
        if self.stores.is_empty() {
            self.of(&Arc::default())?;
        }
        Ok(())
    }

    fn stores(&self) -> impl Iterator<Item = &Users> {
        self.stores.iter().map(|(_, users)| &**users)
    }

    /// Mechanism and iterations of a user's credentials, of several listeners' the first; none when nobody knows the user.
    pub(crate) fn describe(&self, user: &str) -> Option<Vec<(Hash, u32)>> {
        let mut described: Option<Vec<(Hash, u32)>> = None;
        for (hash, iterations) in self.stores().filter_map(|users| users.describe(user)).flatten() {
            let known = described.get_or_insert_default();
            if known.iter().all(|(other, _)| *other != hash) {
                known.push((hash, iterations));
            }
        }
        described
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let names: BTreeSet<String> = self.stores().flat_map(Users::names).collect();
        names.into_iter().collect()
    }

    pub(crate) fn has(&self, user: &str, hash: Hash) -> bool {
        self.stores().any(|users| users.has(user, hash))
    }

    /// Whether one more user fits, everywhere.
    pub(crate) fn has_room_for(&self, user: &str) -> bool {
        self.stores().all(|users| users.has_room_for(user))
    }

    /// The change as key and value of the journal; see [`Users::to_record`].
    pub(crate) fn to_record(&self, change: &UserChange) -> (String, Option<String>) {
        let records = self.stores().map(|users| users.to_record(change));
        // Some listener's settings may give again what is gone: then an empty value has to say so.
        let records = records.max_by_key(|(_, value)| value.is_some());
        records.unwrap_or_else(|| Users::default().to_record(change))
    }

    /// Puts a change in force at every listener.
    pub(crate) fn apply(&self, change: &UserChange) {
        self.stores().for_each(|users| users.apply(change.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::credential::Credential;

    fn list(text: &str) -> Arc<UserList> {
        let mut list = UserList::default();
        list.add_text(text).unwrap();
        Arc::new(list)
    }

    fn change(user: &str, credential: Option<Credential>) -> UserChange {
        UserChange { user: user.to_owned(), hash: Hash::Sha256, credential }
    }

    #[test]
    fn a_listener_has_its_own_users_and_those_that_are_administered() {
        let mut all = AllUsers::default();
        let inside = all.of(&list("alice:a")).unwrap();
        let outside = all.of(&list("bob:b")).unwrap();
        assert!(inside.has_password("alice", b"a") && !inside.has_password("bob", b"b"));
        assert!(outside.has_password("bob", b"b") && !outside.has_password("alice", b"a"));
        let credential = Credential::from_password(Hash::Sha256, b"c", b"salt", 4_096);
        all.apply(&change("carol", Some(credential)));
        for users in [&inside, &outside] {
            assert!(users.has_password("carol", b"c"));
        }
        assert_eq!(all.names(), ["alice", "bob", "carol"]);
        assert_eq!(all.describe("bob").unwrap().len(), 2);
        assert_eq!(all.describe("carol"), Some(vec![(Hash::Sha256, 4_096)]));
        assert_eq!(all.describe("dave"), None);
        assert!(all.has("bob", Hash::Sha512) && !all.has("carol", Hash::Sha512));
    }

    #[test]
    fn what_a_listener_gives_again_at_every_start_is_gone_with_a_word() {
        let mut all = AllUsers::default();
        all.of(&list("alice:a")).unwrap();
        let outside = all.of(&list("bob:b")).unwrap();
        let gone = change("bob", None);
        assert_eq!(all.to_record(&gone).1, Some(String::new()));
        all.apply(&gone);
        assert!(!outside.has("bob", Hash::Sha256) && outside.has("bob", Hash::Sha512));
        assert_eq!(all.to_record(&change("carol", None)).1, None);
    }

    #[test]
    fn listeners_of_one_list_share_it() {
        let mut all = AllUsers::default();
        let one = list("alice:a");
        let first = all.of(&one).unwrap();
        assert!(Arc::ptr_eq(&first, &all.of(&one.clone()).unwrap()));
        assert!(!Arc::ptr_eq(&first, &all.of(&list("alice:a")).unwrap()));
        let mut none = AllUsers::default();
        none.settle().unwrap();
        none.apply(&change(
            "carol",
            Some(Credential::from_password(Hash::Sha256, b"c", b"s", 4_096)),
        ));
        assert_eq!(none.names(), ["carol"]);
    }
}
