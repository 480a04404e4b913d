//! API keys and passwords as they are used: found by their names, checked, and read again when their file changes.

use super::api_key::{KeyHash, KeyId, id_of};
use super::credentials_file::{CredentialsFile, StoredProof};
use super::password::PasswordHash;
use super::principal::{Accounts, Principal, ProvenBy};
use super::proven::Proven;
use super::shown::Login;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;

/// One state of the file.
#[derive(Debug)]
pub(crate) struct Credentials {
    keys: BTreeMap<KeyId, (KeyHash, Principal)>,
    passwords: BTreeMap<String, (PasswordHash, Principal)>,
    nobody: PasswordHash,
    /// Belongs to this state: what another state of the file proved is proven no more.
    pub(crate) proven: Proven,
}

impl Credentials {
    /// What counts of a file: all that is not revoked.
    pub(crate) fn new(
        file: CredentialsFile,
        accounts: &Accounts,
        now: u64,
        random: [u8; 48],
    ) -> Self {
        let (mut salt, mut secret) = ([0; 16], [0; 32]);
        salt.copy_from_slice(&random[..16]);
        secret.copy_from_slice(&random[16..]);
        let mut credentials = Self {
            keys: BTreeMap::new(),
            passwords: BTreeMap::new(),
            nobody: PasswordHash::of_nobody(salt),
            proven: Proven::new(secret),
        };
        for entry in file.entries.into_iter().filter(|entry| entry.revoked.is_none()) {
            match entry.proof {
                StoredProof::Key { id, hash } => {
                    let principal = accounts.principal(&entry.principal, ProvenBy::Key, now);
                    credentials.keys.insert(id, (hash, principal));
                }
                StoredProof::Password(hash) => {
                    let principal = accounts.principal(&entry.principal, ProvenBy::Password, now);
                    credentials.passwords.insert(entry.principal, (hash, principal));
                }
            }
        }
        credentials
    }

    /// Whose key this is.
    pub(crate) fn key(&self, shown: &str) -> Option<Principal> {
        let (hash, principal) = self.keys.get(&id_of(shown)?)?;
        KeyHash::of(shown).is(hash).then(|| principal.clone())
    }

    /// Whose name and password these are. Takes as long as the rounds of a hash do, for unknown users too.
    pub(crate) fn password(&self, login: &Login) -> Option<Principal> {
        let known = self.passwords.get(&login.user);
        let hash = known.map_or(&self.nobody, |(hash, _)| hash);
        let good = hash.is_of(login.password.expose_secret());
        known.filter(|_| good).map(|(_, principal)| principal.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::Credentials;
    use crate::guard::api_key::ApiKey;
    use crate::guard::credentials_file::CredentialsFile;
    use crate::guard::principal::{Accounts, Allowance};
    use crate::guard::shown::Login;

    fn credentials(text: &str) -> Credentials {
        let accounts = Accounts::new([], Allowance::default());
        Credentials::new(CredentialsFile::parse(text).unwrap(), &accounts, 0, [7; 48])
    }

    #[test]
    fn a_key_counts_until_it_is_revoked() {
        let (one, two) = (ApiKey::from_random(&[1; 38]), ApiKey::from_random(&[2; 38]));
        let text = format!(
            "key {} app sha256:{} now\nkey {} app sha256:{} now revoked now\n",
            one.id, one.hash, two.id, two.hash
        );
        let credentials = credentials(&text);
        let name = |key: &str| credentials.key(key).map(|who| who.name().to_string());
        let text = one.reveal();
        assert_eq!(name(text).as_deref(), Some("app"));
        assert_eq!(name(two.reveal()), None);
        let other = text.replace("_AQE", "_AQF");
        assert_ne!(&other, text);
        assert_eq!(name(&other), None, "the name of a key is not the key");
        assert_eq!(name(""), None);
    }

    #[test]
    fn a_password_counts_with_its_name() {
        let hash = "pbkdf2-sha256:10000:MDEyMzQ1Njc4OWFiY2RlZg:cuOITDVXQXwg4RQ5Bx0ExcR1VT/x58FAc0rjB1K/QwM";
        let credentials = credentials(&format!("password alice {hash} now\n"));
        let good = |user: &str, password: &str| {
            let password = password.as_bytes().to_vec().into();
            credentials.password(&Login { user: user.to_owned(), password }).is_some()
        };
        assert!(good("alice", "wonderland"));
        assert!(!good("alice", "wonder"));
        assert!(!good("bob", "wonderland"));
    }
}
