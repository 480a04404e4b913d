//! The two files that list what there is: `message/mod.rs` and `api_key.rs`.

use super::catalogue::Catalogue;
use super::rust::{BANNER, ident};
use super::schema::{Condition, Message, Versions};
use std::fmt::Write;

/// `message/mod.rs`: the modules, the types, and what ties a request to its API and response.
pub(super) fn message_mod(catalogue: &Catalogue) -> String {
    let mut out = format!("{BANNER}//! Every client-facing message of Kafka, one file each.\n\n");
    out.push_str(
        "#![allow(clippy::derivable_impls, reason = \"every struct spells out the schema's defaults\")]\n\
         #![allow(clippy::field_reassign_with_default, reason = \"a version fills the fields it has\")]\n\n\
         use crate::api_key::ApiKey;\nuse crate::primitives::Message;\n\n",
    );
    for m in catalogue.messages() {
        let _ = writeln!(out, "pub mod {};", ident(&m.name));
    }
    out.push('\n');
    for m in catalogue.messages() {
        let _ = writeln!(out, "pub use self::{}::{};", ident(&m.name), m.name);
    }
    out.push_str(
        "\n/// A request: its API and the response that answers it.\npub trait Request: Message {\n\
         /// The API it belongs to.\nconst API_KEY: ApiKey;\n/// What answers it.\ntype Response: Message;\n}\n\n",
    );
    for m in catalogue.requests() {
        let _ = writeln!(
            out,
            "impl Request for {} {{ const API_KEY: ApiKey = ApiKey::{1}; type Response = {1}Response; }}",
            m.name,
            m.api_name()
        );
    }
    out.push_str(&visitor(catalogue));
    out
}

/// A macro that names every message type.
fn visitor(catalogue: &Catalogue) -> String {
    let mut out = "\n/// Calls a macro once with the names of all message types, for tests and fuzzing over every one.\n\
                   #[macro_export]\nmacro_rules! for_each_message { ($m:ident) => { $m! {\n"
        .to_owned();
    for m in catalogue.messages() {
        let _ = writeln!(out, "{},", m.name);
    }
    out.push_str("} }; }\n");
    out
}

/// `api_key.rs`: the APIs, their versions and header versions.
pub(super) fn api_key(catalogue: &Catalogue) -> String {
    let requests = catalogue.requests();
    let mut out = format!(
        "{BANNER}//! The APIs, their versions and the header versions these need.\n\nuse std::ops::RangeInclusive;\n\n"
    );
    api_enum(&requests, &mut out);
    out.push_str("impl ApiKey {\n/// Every API, by key.\npub const ALL: &'static [ApiKey] = &[");
    for m in &requests {
        let _ = write!(out, "ApiKey::{},", m.api_name());
    }
    out.push_str("];\n\n/// The API with this key, if this build knows it.\npub fn from_i16(key: i16) -> Option<ApiKey> { Some(match key {");
    for m in &requests {
        let _ = write!(out, "{} => ApiKey::{},", key_of(m), m.api_name());
    }
    out.push_str("_ => return None, }) }\n\n");
    by_api(
        "/// Kafka's name of it.\npub fn name(self) -> &'static str",
        &requests,
        |m| format!("{:?}", m.api_name()),
        &mut out,
    );
    by_api(
        "/// The versions this build knows.\npub fn versions(self) -> RangeInclusive<i16>",
        &requests,
        |m| format!("{}..={}", m.valid_versions.min, m.valid_versions.max),
        &mut out,
    );
    stable_versions(&requests, &mut out);
    by_api(
        "/// Whether this version has compact lengths and tagged fields (KIP-482).\npub fn is_flexible(self, version: i16) -> bool",
        &requests,
        flexible,
        &mut out,
    );
    header_versions(&mut out);
    out.push_str("}\n");
    out
}

fn api_enum(requests: &[&Message], out: &mut String) {
    out.push_str(
        "/// An API of the Kafka protocol.\n#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]\n\
         #[repr(i16)]\n#[non_exhaustive]\npub enum ApiKey {\n",
    );
    for m in requests {
        let flexible = match m.flexible_versions.is_empty() {
            true => "never".to_owned(),
            false => m.flexible_versions.to_string(),
        };
        let _ = writeln!(
            out,
            "/// API {0}, versions {1}, flexible {flexible}.\n{2} = {0},",
            key_of(m),
            m.valid_versions,
            m.api_name()
        );
    }
    out.push_str("}\n\n");
}

/// A method that is one `match` over the APIs.
fn by_api(head: &str, requests: &[&Message], value: impl Fn(&Message) -> String, out: &mut String) {
    let _ = write!(out, "{head} {{ match self {{");
    for m in requests {
        let _ = write!(out, "ApiKey::{} => {},", m.api_name(), value(m));
    }
    out.push_str("} }\n\n");
}

fn stable_versions(requests: &[&Message], out: &mut String) {
    out.push_str(
        "/// The versions a broker offers by default: without a newest one that may still change.\n\
         pub fn stable_versions(self) -> RangeInclusive<i16> { match self {",
    );
    for m in requests.iter().filter(|m| m.latest_version_unstable) {
        let Versions { min, max } = m.valid_versions;
        let _ = write!(out, "ApiKey::{} => {min}..={},", m.api_name(), max - 1);
    }
    out.push_str("_ => self.versions(), } }\n\n");
}

fn flexible(m: &Message) -> String {
    match m.flexible_versions.condition(Versions { min: 0, max: i16::MAX }) {
        Condition::Always => "version >= 0".to_owned(),
        Condition::Never => "false".to_owned(),
        Condition::When(when) => when,
    }
}

fn header_versions(out: &mut String) {
    out.push_str(
        "/// The version of the header before a request of this version.\n\
         pub fn request_header_version(self, version: i16) -> i16 { if self.is_flexible(version) { 2 } else { 1 } }\n\n\
         /// The version of the header before a response of this version. That of ApiVersions is always 0, so that a\n\
         /// client can read it before it knows what the broker speaks (KIP-511).\n\
         pub fn response_header_version(self, version: i16) -> i16 { if self != ApiKey::ApiVersions && self.is_flexible(version) { 1 } else { 0 } }\n",
    );
}

fn key_of(m: &Message) -> i16 {
    // Every request has a key: `Catalogue` keeps none without.
    m.api_key.unwrap_or_default()
}
