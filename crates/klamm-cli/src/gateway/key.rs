//! `klamm gateway key`: makes, lists and revokes the API keys and passwords of a gateway, in the file that it reads.

use super::key_file::KeyFile;
use crate::args::{Global, Output};
use crate::failure::{FAILED, Failure, USAGE};
use clap::{Args, Subcommand};
use jiff::{Timestamp, Unit};
use klamm_gateway::guard::{
    ApiKey, CredentialsFile, Entry, KeyId, PASSWORD_MAX, PasswordHash, StoredProof, WrongLine,
    is_principal_name, with_entry, with_revoked,
};
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Read};
use std::path::PathBuf;

/// Make, list and revoke API keys and passwords
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    command: Key,
    /// The file that the gateway reads: `credentials` in its configuration
    #[arg(
        short,
        long,
        global = true,
        env = "KLAMM_GATEWAY_KEYS",
        default_value = "klamm-gateway.keys"
    )]
    file: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Key {
    /// Make an API key and print it, once; the file keeps its hash alone
    New {
        /// Whom it stands for
        principal: String,
    },
    /// Give somebody a password, read from the first line of standard input
    Password {
        /// Whom it stands for, and the user's name
        principal: String,
    },
    /// Show what there is; no secret can be read from it
    List,
    /// End a key, by its twelve digits, or everything of a principal; a gateway that runs notices within seconds
    Revoke {
        /// Twelve digits, or a principal with --principal
        #[arg(required_unless_present = "principal", conflicts_with = "principal")]
        key: Option<String>,
        /// All keys and the password of this principal
        #[arg(long)]
        principal: Option<String>,
    },
}

pub(crate) fn run(global: &Global, args: KeyArgs) -> Result<(), Failure> {
    let json = global.output == Output::Json;
    let file = KeyFile::new(args.file);
    match args.command {
        Key::New { principal } => new(&file, principal, json),
        Key::Password { principal } => password(&file, principal, json),
        Key::List => list(&file, json),
        Key::Revoke { key, principal } => revoke(&file, key.as_deref(), principal.as_deref(), json),
    }
}

fn new(file: &KeyFile, principal: String, json: bool) -> Result<(), Failure> {
    let key = ApiKey::generate().map_err(|error| Failure::new(FAILED, error.to_string()))?;
    let proof = StoredProof::Key { id: key.id, hash: key.hash };
    add(file, principal.clone(), proof)?;
    let text = key.reveal();
    if json {
        println!("{}", json!({ "id": key.id.to_string(), "principal": principal, "key": text }));
    } else {
        println!("{text}");
        eprintln!(
            "key {} for {principal} is in {}; it is shown this once",
            key.id,
            file.path().display()
        );
    }
    Ok(())
}

fn password(file: &KeyFile, principal: String, json: bool) -> Result<(), Failure> {
    if std::io::stdin().is_terminal() {
        eprintln!("type the password, which is shown while you do, and press Enter");
    }
    let mut line = String::new();
    // A line without an end must not become memory without one.
    let limit = PASSWORD_MAX as u64 + 3;
    let read = std::io::stdin().lock().take(limit).read_line(&mut line);
    read.map_err(|error| Failure::new(USAGE, format!("standard input: {error}")))?;
    let secret = line.trim_end_matches(['\r', '\n']);
    if !(1..=PASSWORD_MAX).contains(&secret.len()) {
        return Err(Failure::new(USAGE, format!("a password has 1 to {PASSWORD_MAX} bytes")));
    }
    if principal.contains(':') {
        return Err(Failure::new(USAGE, "a user's name has no colon: HTTP could not tell its end"));
    }
    let hash = PasswordHash::of(secret.as_bytes());
    let hash = hash.map_err(|error| Failure::new(FAILED, error.to_string()))?;
    add(file, principal.clone(), StoredProof::Password(hash))?;
    if json {
        println!("{}", json!({ "principal": principal }));
    } else {
        println!("{principal} has a password in {}", file.path().display());
    }
    Ok(())
}

fn add(file: &KeyFile, principal: String, proof: StoredProof) -> Result<(), Failure> {
    if !is_principal_name(&principal) {
        return Err(Failure::new(USAGE, "a principal's name has 1 to 255 bytes and no blanks"));
    }
    let entry = Entry { principal, proof, created: now(), revoked: None };
    file.change(|text| with_entry(text, &entry).map(|new| (new, ())))
}

fn list(file: &KeyFile, json: bool) -> Result<(), Failure> {
    let text = file.read()?;
    let entries = CredentialsFile::parse(&text).map_err(|wrong| file.wrong(&wrong))?.entries;
    if json {
        entries.iter().for_each(|entry| println!("{}", as_json(entry)));
        return Ok(());
    }
    let name =
        entries.iter().map(|entry| entry.principal.chars().count()).max().unwrap_or(0).max(9);
    println!("{:<12}  {:<name$}  {:<20}  revoked", "key", "principal", "created");
    for Entry { principal, proof, created, revoked } in &entries {
        let revoked = revoked.as_deref().unwrap_or("-");
        println!("{:<12}  {principal:<name$}  {created:<20}  {revoked}", label(proof));
    }
    Ok(())
}

fn revoke(
    file: &KeyFile,
    key: Option<&str>,
    principal: Option<&str>,
    json: bool,
) -> Result<(), Failure> {
    let id = key.map(KeyId::parse).transpose();
    let id = id.map_err(|wrong| {
        Failure::new(USAGE, format!("{wrong}; klamm gateway key list shows them"))
    })?;
    let chosen = |entry: &Entry| match (&entry.proof, id) {
        (StoredProof::Key { id, .. }, Some(wanted)) => *id == wanted,
        (StoredProof::Password(_), Some(_)) => false,
        (_, None) => principal == Some(&entry.principal),
    };
    let time = now();
    let count = file.change(|text| with_revoked(text, &time, chosen))?;
    if json {
        println!("{}", json!({ "revoked": count }));
    } else if count > 0 {
        println!("{count} revoked in {}", file.path().display());
    }
    if count == 0 {
        let what = key.or(principal).unwrap_or_default();
        return Err(Failure::new(FAILED, format!("nothing of {what} was left to revoke")));
    }
    Ok(())
}

fn label(proof: &StoredProof) -> String {
    match proof {
        StoredProof::Key { id, .. } => id.to_string(),
        StoredProof::Password(_) => "(password)".to_owned(),
    }
}

fn as_json(entry: &Entry) -> Value {
    let Entry { principal, proof, created, revoked } = entry;
    let (kind, id) = match proof {
        StoredProof::Key { id, .. } => ("key", Some(id.to_string())),
        StoredProof::Password(_) => ("password", None),
    };
    json!({ "kind": kind, "id": id, "principal": principal, "created": created, "revoked": revoked })
}

/// To the second, as RFC 3339 has it.
fn now() -> String {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now).to_string()
}

impl KeyFile {
    fn wrong(&self, wrong: &WrongLine) -> Failure {
        Failure::new(USAGE, format!("{}: {wrong}", self.path().display()))
    }

    /// Changes the file, or creates it.
    fn change<T>(
        &self,
        change: impl FnOnce(&str) -> Result<(String, T), WrongLine>,
    ) -> Result<T, Failure> {
        self.replace(|text| change(text).map_err(|wrong| self.wrong(&wrong)))
    }
}
