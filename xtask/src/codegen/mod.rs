//! `cargo xtask codegen`: the wire messages, from the schemas in the kafka-clients jar.
//!
//! The jar is fetched by its Maven coordinates into `target/`; the generated Rust is committed, the
//! schemas are not. `--check` generates into `target/` and names the first file that differs.

mod rust;
mod schema;

use schema::{Condition, Message, Versions};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release whose schemas are generated from.
const KAFKA_CLIENTS: &str = "org.apache.kafka:kafka-clients:4.4.0";

/// APIs between brokers and controllers only; no client sends them and no client-facing broker answers.
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

/// Generates, or with `--check` compares.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<(), String> {
    let check = args.iter().any(|a| a == "--check");
    let schemas = load(&fetch(root)?)?;
    let out = root.join("target/xtask/codegen/out");
    let files = generate(&schemas);
    write_formatted(root, &out, &files)?;
    let protocol = root.join("crates/klamm-protocol/src");
    if check {
        return compare(&out, &protocol, &files);
    }
    let messages = protocol.join("message");
    if messages.exists() {
        fs::remove_dir_all(&messages).map_err(|e| format!("{}: {e}", messages.display()))?;
    }
    fs::create_dir_all(&messages).map_err(|e| format!("{}: {e}", messages.display()))?;
    for name in files.keys() {
        fs::copy(out.join(name), protocol.join(name)).map_err(|e| format!("{name}: {e}"))?;
    }
    println!("{} files generated from {KAFKA_CLIENTS}", files.len());
    Ok(())
}

/// Brings the jar into `target/` and unpacks its schemas; done once.
fn fetch(root: &Path) -> Result<PathBuf, String> {
    let dir = root.join("target/xtask/codegen/jar");
    let schemas = dir.join("common/message");
    if schemas.join("ProduceRequest.json").exists() {
        return Ok(schemas);
    }
    fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    command(
        Command::new("mvn")
            .args(["-q", "-B", "dependency:copy", "-Dmdep.useBaseVersion=true"])
            .arg(format!("-Dartifact={KAFKA_CLIENTS}"))
            .arg(format!("-DoutputDirectory={}", dir.display()))
            .current_dir(&dir),
    )?;
    let version = KAFKA_CLIENTS.rsplit(':').next().unwrap_or_default();
    let jar = format!("kafka-clients-{version}.jar");
    command(Command::new("jar").args(["xf", &jar, "common/message"]).current_dir(&dir))?;
    Ok(schemas)
}

fn command(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|e| format!("{program} cannot be started: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} failed: {status}")) }
}

/// The schemas to generate from, by name.
fn load(dir: &Path) -> Result<BTreeMap<String, Message>, String> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let message = Message::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        all.insert(message.name.clone(), message);
    }
    let facing: Vec<i16> = all
        .values()
        .filter(|m| m.kind == "request" && m.listeners.iter().any(|l| l == "broker"))
        .filter(|m| !NOT_CLIENT_FACING.contains(&m.name.trim_end_matches("Request")))
        .filter_map(|m| m.api_key)
        .collect();
    all.retain(|name, m| match m.api_key {
        Some(key) => facing.contains(&key) && !m.valid_versions.is_empty(),
        None => EMBEDDED.contains(&name.as_str()),
    });
    Ok(all)
}

/// File name below `src/` to unformatted source.
fn generate(schemas: &BTreeMap<String, Message>) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for m in schemas.values() {
        files.insert(format!("message/{}.rs", rust::ident(&m.name)), rust::message(m));
    }
    let requests: Vec<&Message> = {
        let mut r: Vec<_> = schemas.values().filter(|m| m.kind == "request").collect();
        r.sort_by_key(|m| m.api_key);
        r
    };
    files.insert("message/mod.rs".into(), message_mod(schemas, &requests));
    files.insert("api_key.rs".into(), api_key(&requests));
    files
}

fn message_mod(schemas: &BTreeMap<String, Message>, requests: &[&Message]) -> String {
    let mut out =
        format!("{}//! Every client-facing message of Kafka, one file each.\n\n", rust::BANNER);
    out.push_str("#![allow(clippy::all, clippy::derivable_impls, clippy::needless_update, unused_variables, reason = \"generated\")]\n\n");
    out.push_str("use crate::api_key::ApiKey;\nuse crate::primitives::Message;\n\n");
    for m in schemas.values() {
        let _ = writeln!(out, "pub mod {};", rust::ident(&m.name));
    }
    out.push('\n');
    for m in schemas.values() {
        let _ = writeln!(out, "pub use self::{}::{};", rust::ident(&m.name), m.name);
    }
    out.push_str(
        "\n/// A request: its API and the response that answers it.\npub trait Request: Message {\n\
         /// The API it belongs to.\nconst API_KEY: ApiKey;\n/// What answers it.\ntype Response: Message;\n}\n\n",
    );
    for m in requests {
        let api = m.name.trim_end_matches("Request");
        let _ = writeln!(
            out,
            "impl Request for {} {{ const API_KEY: ApiKey = ApiKey::{api}; type Response = {api}Response; }}",
            m.name
        );
    }
    out.push_str(&visitor(schemas));
    out
}

/// A macro that names every message type, for tests that run over all of them.
fn visitor(schemas: &BTreeMap<String, Message>) -> String {
    let mut out = "\n/// Calls a macro with every message type, for tests and fuzzing over all of them.\n#[macro_export]\nmacro_rules! for_each_message { ($m:ident) => {\n".to_owned();
    for m in schemas.values() {
        let _ = writeln!(out, "$m!({});", m.name);
    }
    out.push_str("}; }\n");
    out
}

fn api_key(requests: &[&Message]) -> String {
    let mut out = format!(
        "{}//! The APIs, their versions and the header versions these need.\n\n",
        rust::BANNER
    );
    out.push_str("use std::ops::RangeInclusive;\n\n/// An API of the Kafka protocol.\n#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]\n#[repr(i16)]\n#[non_exhaustive]\npub enum ApiKey {\n");
    let api = |m: &Message| m.name.trim_end_matches("Request").to_owned();
    for m in requests {
        let key = m.api_key.unwrap_or_default();
        let _ = writeln!(
            out,
            "/// API {key}, versions {}, flexible {}.\n{} = {key},",
            m.valid_versions,
            flexible_text(m),
            api(m)
        );
    }
    out.push_str(
        "}\n\nimpl ApiKey {\n/// Every API, by key.\npub const ALL: &'static [ApiKey] = &[",
    );
    for m in requests {
        let _ = write!(out, "ApiKey::{},", api(m));
    }
    out.push_str("];\n\n/// The API with this key, if this build knows it.\npub fn from_i16(key: i16) -> Option<ApiKey> { Some(match key {");
    for m in requests {
        let _ = write!(out, "{} => ApiKey::{},", m.api_key.unwrap_or_default(), api(m));
    }
    out.push_str("_ => return None, }) }\n\n/// Kafka's name of it.\npub fn name(self) -> &'static str { match self {");
    for m in requests {
        let _ = write!(out, "ApiKey::{0} => \"{0}\",", api(m));
    }
    out.push_str("} }\n\n/// The versions this build knows.\npub fn versions(self) -> RangeInclusive<i16> { match self {");
    for m in requests {
        let _ = write!(
            out,
            "ApiKey::{} => {}..={},",
            api(m),
            m.valid_versions.min,
            m.valid_versions.max
        );
    }
    out.push_str("} }\n\n/// Whether this version has compact lengths and tagged fields.\npub fn is_flexible(self, version: i16) -> bool { match self {");
    for m in requests {
        let all = Versions { min: 0, max: i16::MAX };
        let when = match m.flexible_versions.condition(all) {
            Condition::Always => "version >= 0".to_owned(),
            Condition::Never => "false".to_owned(),
            Condition::When(when) => when,
        };
        let _ = write!(out, "ApiKey::{} => {when},", api(m));
    }
    out.push_str(
        "} }\n\n/// The version of the header before a request of this version.\npub fn request_header_version(self, version: i16) -> i16 { if self.is_flexible(version) { 2 } else { 1 } }\n\n\
         /// The version of the header before a response of this version. That of ApiVersions is always 0, so that a\n/// client can read it before it knows what the broker speaks (KIP-511).\n\
         pub fn response_header_version(self, version: i16) -> i16 { if self != ApiKey::ApiVersions && self.is_flexible(version) { 1 } else { 0 } }\n}\n",
    );
    out
}

fn flexible_text(m: &Message) -> String {
    if m.flexible_versions.is_empty() { "never".into() } else { m.flexible_versions.to_string() }
}

fn write_formatted(
    root: &Path,
    out: &Path,
    files: &BTreeMap<String, String>,
) -> Result<(), String> {
    fs::create_dir_all(out.join("message")).map_err(|e| e.to_string())?;
    for (name, text) in files {
        fs::write(out.join(name), text).map_err(|e| format!("{name}: {e}"))?;
    }
    // rustfmt follows the `mod` lines of mod.rs.
    command(
        Command::new("rustfmt")
            .args(["--edition", "2024", "--config-path"])
            .arg(root.join("rustfmt.toml"))
            .args([out.join("message/mod.rs"), out.join("api_key.rs")]),
    )
}

fn compare(out: &Path, protocol: &Path, files: &BTreeMap<String, String>) -> Result<(), String> {
    for name in files.keys() {
        let fresh = fs::read_to_string(out.join(name)).map_err(|e| format!("{name}: {e}"))?;
        let committed = fs::read_to_string(protocol.join(name)).unwrap_or_default();
        if fresh != committed {
            return Err(format!(
                "{name} differs from what {KAFKA_CLIENTS} gives: run `cargo xtask codegen`"
            ));
        }
    }
    let listed = fs::read_dir(protocol.join("message")).map_err(|e| e.to_string())?;
    for entry in listed.filter_map(Result::ok) {
        let name = format!("message/{}", entry.file_name().to_string_lossy());
        if !files.contains_key(&name) {
            return Err(format!("{name} is generated no more: run `cargo xtask codegen`"));
        }
    }
    println!("{} generated files match {KAFKA_CLIENTS}", files.len());
    Ok(())
}
