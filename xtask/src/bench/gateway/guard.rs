//! `klamm gateway` that asks something of every request: an API key, or a JSON Schema.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::failure::{Doing, Failure, Result};
use crate::process;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// Nothing.
    None,
    /// Who sends.
    Keys,
    /// What a record looks like.
    Schema,
}

/// How a gateway is started with it.
#[derive(Debug, Default)]
pub(super) struct Guarded {
    /// More arguments.
    pub(super) args: Vec<String>,
    /// What every request has to have.
    pub(super) header: Option<String>,
}

/// Keys that are good beside the one that is used.
const OTHER_KEYS: u32 = 100;
/// What the load's records are.
const SCHEMA: &str = r#"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["id", "run", "text"],
    "additionalProperties": false,
    "properties": {
        "id": { "type": "integer", "minimum": 1 },
        "run": { "type": "string", "pattern": "^[0-9a-f]{8}$" },
        "text": { "type": "string", "minLength": 1, "maxLength": 1000 }
    }
}"#;

impl Guard {
    /// Writes what it needs to `dir`.
    pub(super) fn set(self, klamm: &Path, topic: &str, dir: &Path) -> Result<Guarded> {
        let (text, header) = match self {
            Self::None => return Ok(Guarded::default()),
            Self::Keys => {
                fs::create_dir_all(dir).doing(dir.display())?;
                let file = dir.join("keys");
                (0..OTHER_KEYS)
                    .try_for_each(|n| key(klamm, &file, &format!("app-{n}")).map(drop))?;
                let header = format!("x-api-key: {}", key(klamm, &file, "bench")?);
                let accounts = format!("[[account]]\nname = \"bench\"\nproduce = [\"{topic}\"]\n");
                let file = file.display();
                (format!("[auth]\ncredentials = \"{file}\"\n{accounts}"), Some(header))
            }
            Self::Schema => {
                fs::create_dir_all(dir).doing(dir.display())?;
                let file = dir.join("schema.json");
                fs::write(&file, SCHEMA).doing(file.display())?;
                let (path, file) = (format!("/topics/{topic}"), file.display());
                let route = format!("[[route]]\npath = \"{path}\"\ntopic = \"{topic}\"\n");
                (format!("{route}schema = \"{file}\"\n"), None)
            }
        };
        let config = dir.join("gateway.toml");
        fs::write(&config, text).doing(config.display())?;
        Ok(Guarded { args: vec!["--config".to_owned(), config.display().to_string()], header })
    }
}

/// A new key in `file`, as it is sent.
fn key(klamm: &Path, file: &Path, principal: &str) -> Result<String> {
    let mut command = Command::new(klamm);
    command.args(["gateway", "key", "new", principal, "-O", "json", "--file"]).arg(file);
    let made: Value =
        serde_json::from_slice(&process::capture(&mut command)?).doing("gateway key new")?;
    made["key"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Failure::new("gateway key new tells none"))
}
