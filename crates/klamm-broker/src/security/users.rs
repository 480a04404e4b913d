//! The users that may log in, and what is kept of their passwords.
//!
//! PLAIN and SCRAM share the users: PLAIN checks a password against the same stored key, so no password is ever kept
//! and changing one changes it for every mechanism that uses the credential.

use super::credential::{Credential, CredentialError, Hash, MIN_ITERATIONS, SALT_BYTES};
use parking_lot::RwLock;
use secrecy::{ExposeSecret, SecretString};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Users that one broker keeps.
pub(crate) const MAX_USERS: usize = 100_000;

/// Why a text of users is not taken; shows the line's number and nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line} of the users: {why}; a line is name:password, or \
     name:SCRAM-SHA-256=[salt=…,stored_key=…,server_key=…,iterations=…]"
)]
pub struct UsersError {
    line: usize,
    why: String,
}

/// What a line says of a user.
#[derive(Debug, Clone)]
enum Given {
    Password(SecretString),
    Credential(Hash, Credential),
}

/// Users as a file or a program gave them.
#[derive(Debug, Clone, Default)]
pub(crate) struct UserList(Vec<(String, Given)>);

impl UserList {
    pub(crate) fn add(&mut self, name: &str, password: SecretString) {
        self.0.push((name.to_owned(), Given::Password(password)));
    }

    /// Reads lines; empty ones and those that begin with `#` say nothing.
    pub(crate) fn add_text(&mut self, text: &str) -> Result<(), UsersError> {
        for (line, number) in text.lines().zip(1..) {
            let line = line.trim_end_matches('\r');
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let user = read_line(line).map_err(|why| UsersError { line: number, why })?;
            self.0.push(user);
        }
        Ok(())
    }
}

fn read_line(line: &str) -> Result<(String, Given), String> {
    let (name, value) = line.split_once(':').ok_or("it has no colon")?;
    if name.is_empty() || value.is_empty() {
        return Err("name or password is empty".to_owned());
    }
    for hash in Hash::ALL {
        let inner = value.strip_prefix(hash.mechanism()).and_then(|rest| rest.strip_prefix("=["));
        if let Some(inner) = inner.and_then(|rest| rest.strip_suffix(']')) {
            let credential = Credential::from_text(hash, inner).map_err(|e| e.to_string())?;
            return Ok((name.to_owned(), Given::Credential(hash, credential)));
        }
    }
    Ok((name.to_owned(), Given::Password(value.into())))
}

/// What changed for a user and a mechanism: its new credential, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserChange {
    pub(crate) user: String,
    pub(crate) hash: Hash,
    pub(crate) credential: Option<Credential>,
}

/// Users by name.
#[derive(Default)]
pub(crate) struct Users {
    /// Makes up the salts of those who do not exist.
    secret: [u8; 32],
    /// What the settings gave.
    given: BTreeSet<(String, Hash)>,
    by_name: RwLock<BTreeMap<String, BTreeMap<Hash, Credential>>>,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").field("count", &self.by_name.read().len()).finish_non_exhaustive()
    }
}

impl Users {
    /// Hashes the passwords given, which takes some milliseconds each.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn new(list: &UserList) -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let mut users = Self { secret, given: BTreeSet::new(), by_name: RwLock::default() };
        for (name, given) in &list.0 {
            match given {
                Given::Credential(hash, credential) => {
                    users.put(name.clone(), *hash, credential.clone());
                }
                Given::Password(password) => users.hash(name, password)?,
            }
        }
        Ok(users)
    }

    fn hash(&mut self, name: &str, password: &SecretString) -> Result<(), getrandom::Error> {
        for hash in Hash::ALL {
            let mut salt = [0; SALT_BYTES];
            getrandom::fill(&mut salt)?;
            let password = password.expose_secret().as_bytes();
            let credential = Credential::from_password(hash, password, &salt, MIN_ITERATIONS);
            self.put(name.to_owned(), hash, credential);
        }
        Ok(())
    }

    fn put(&mut self, name: String, hash: Hash, credential: Credential) {
        self.given.insert((name.clone(), hash));
        self.by_name.get_mut().entry(name).or_default().insert(hash, credential);
    }

    /// The credential of a user, or a made-up one; and whether it is real.
    pub(crate) fn credential(&self, user: &str, hash: Hash) -> (Credential, bool) {
        let found = self.by_name.read().get(user).and_then(|all| all.get(&hash)).cloned();
        match found {
            Some(credential) => (credential, true),
            None => (Credential::made_up(hash, &self.secret, user), false),
        }
    }

    /// Whether the user has the password; takes milliseconds, whether there is such a user or not.
    pub(crate) fn has_password(&self, user: &str, password: &[u8]) -> bool {
        let (hash, credential, known) = match self.credential(user, Hash::Sha256) {
            (credential, true) => (Hash::Sha256, credential, true),
            (made_up, false) => match self.credential(user, Hash::Sha512) {
                (credential, true) => (Hash::Sha512, credential, true),
                _ => (Hash::Sha256, made_up, false),
            },
        };
        credential.is_of(hash, password) & known
    }

    /// Mechanism and iterations of a user's credentials; none when there is no such user.
    pub(crate) fn describe(&self, user: &str) -> Option<Vec<(Hash, u32)>> {
        let users = self.by_name.read();
        let all = users.get(user)?;
        Some(all.iter().map(|(&hash, credential)| (hash, credential.iterations())).collect())
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.by_name.read().keys().cloned().collect()
    }

    pub(crate) fn has(&self, user: &str, hash: Hash) -> bool {
        self.by_name.read().get(user).is_some_and(|all| all.contains_key(&hash))
    }

    /// Whether one more user fits.
    pub(crate) fn has_room_for(&self, user: &str) -> bool {
        let users = self.by_name.read();
        users.len() < MAX_USERS || users.contains_key(user)
    }

    /// The change as key and value of the journal. A credential that is gone has no value, or, when the settings give
    /// it again at every start, an empty one.
    pub(crate) fn to_record(&self, change: &UserChange) -> (String, Option<String>) {
        let key = format!("{}:{}", change.hash.mechanism(), change.user);
        let value = match &change.credential {
            Some(credential) => Some(credential.to_text()),
            None => self.given.contains(&(change.user.clone(), change.hash)).then(String::new),
        };
        (key, value)
    }

    /// Puts a change in force.
    pub(crate) fn apply(&self, change: UserChange) {
        let mut users = self.by_name.write();
        match change.credential {
            Some(credential) => {
                users.entry(change.user).or_default().insert(change.hash, credential);
            }
            None => {
                let Some(all) = users.get_mut(&change.user) else { return };
                all.remove(&change.hash);
                if all.is_empty() {
                    users.remove(&change.user);
                }
            }
        }
    }
}

impl UserChange {
    /// Reads what [`Users::to_record`] made; an empty value says that the credential is gone.
    ///
    /// # Errors
    /// [`CredentialError`]
    pub(crate) fn from_record(key: &str, value: &str) -> Result<Self, CredentialError> {
        let (mechanism, user) = key.split_once(':').ok_or(CredentialError::Form)?;
        let hash = Hash::ALL.into_iter().find(|hash| hash.mechanism() == mechanism);
        let hash = hash.ok_or(CredentialError::Form)?;
        let credential = match value {
            "" => None,
            value => Some(Credential::from_text(hash, value)?),
        };
        Ok(Self { user: user.to_owned(), hash, credential })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(text: &str) -> Users {
        let mut list = UserList::default();
        list.add_text(text).unwrap();
        Users::new(&list).unwrap()
    }

    #[test]
    fn passwords_from_a_text() {
        let users = users("# people\n\nalice:with:colon\r\nbob:secret\n");
        assert!(users.has_password("alice", b"with:colon"));
        assert!(users.has_password("bob", b"secret"));
        for (user, password) in [("alice", "secret"), ("bob", ""), ("carol", "secret"), ("", "")] {
            assert!(!users.has_password(user, password.as_bytes()), "{user}");
        }
    }

    #[test]
    fn credentials_from_a_text() {
        let credential = Credential::from_password(Hash::Sha512, b"secret", b"salt", 5_000);
        let users = users(&format!("eve:SCRAM-SHA-512=[{}]", credential.to_text()));
        assert_eq!(users.credential("eve", Hash::Sha512), (credential, true));
        assert!(!users.credential("eve", Hash::Sha256).1);
        assert!(users.has_password("eve", b"secret"));
    }

    #[test]
    fn a_bad_line_is_named_by_number_alone() {
        for line in [
            "no-colon-s3cret",
            ":s3cret",
            "s3cret:",
            "a:SCRAM-SHA-256=[s3cret]",
            "a:SCRAM-SHA-256=[salt=AA==,stored_key=AA==,server_key=AA==,iterations=4096]",
            "a:SCRAM-SHA-256=[salt=AA==,stored_key=AA==,server_key=AA==,iterations=1]",
        ] {
            let error = UserList::default().add_text(&format!("ok:ok\n{line}")).unwrap_err();
            assert_eq!(error.line, 2, "{line}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn secrets_are_in_no_debug_output() {
        let mut list = UserList::default();
        list.add_text("alice:s3cret").unwrap();
        let users = Users::new(&list).unwrap();
        let credential = users.credential("alice", Hash::Sha256).0;
        let shown = format!("{list:?} {users:?} {credential:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("salt"), "{shown}");
    }

    #[test]
    fn an_unknown_user_always_has_the_same_salt() {
        let users = users("alice:secret");
        let (one, known) = users.credential("nobody", Hash::Sha256);
        assert!(!known);
        assert_eq!(one, users.credential("nobody", Hash::Sha256).0);
        assert_ne!(one, users.credential("no-one", Hash::Sha256).0);
        assert_eq!(one.salt().len(), users.credential("alice", Hash::Sha256).0.salt().len());
        assert_eq!(one.iterations(), users.credential("alice", Hash::Sha256).0.iterations());
    }

    #[test]
    fn changes_survive_their_record() {
        let users = users("alice:old");
        let credential = Credential::from_password(Hash::Sha256, b"new", b"salt", 8_192);
        let set =
            |credential| UserChange { user: "alice".to_owned(), hash: Hash::Sha256, credential };
        for change in [set(Some(credential)), set(None)] {
            let (key, value) = users.to_record(&change);
            let again = UserChange::from_record(&key, &value.unwrap()).unwrap();
            assert_eq!(again, change);
            users.apply(again);
            assert_eq!(users.has("alice", Hash::Sha256), change.credential.is_some());
        }
        let other = UserChange { user: "eve".to_owned(), hash: Hash::Sha256, credential: None };
        assert_eq!(users.to_record(&other).1, None, "nothing brings it back");
        assert!(users.has("alice", Hash::Sha512));
        assert!(UserChange::from_record("SCRAM-SHA-1:alice", "").is_err());
    }
}
