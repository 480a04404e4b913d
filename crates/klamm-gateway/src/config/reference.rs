//! Pure: the reference page, made from the table.

use super::auth::{self, ACCOUNT};
use super::key::Key;
use super::table::{KAFKA, SECTIONS, TLS};
use super::{asking, quota, routes, signature, tls};
use std::fmt::Write;

const HEAD: &str = "# The gateway's configuration

`klamm gateway --config FILE` reads a TOML file; every key has a default, and options of the command stand above the file. \
Sizes are whole numbers with a unit (`KiB`, `MiB`, `GiB`, `KB`, `MB`, `GB`), times too (`ms`, `s`, `m`, `h`, `d`). A key that \
is not on this page is an error. Made from `crates/klamm-gateway/src/config`.
";

const EXAMPLE: &str = r#"
```toml
[http]
listen = "127.0.0.1:8080"

[kafka]
bootstrap.servers = "localhost:9092"

[wal]
data = "/var/lib/klamm-gateway"
max_bytes = "20 GiB"

[[route]]
path = "/shops/{shop}/orders"
topic = "orders"
key = { json = "/customer/id" }
key_required = true
headers = ["X-Request-Id"]
```
"#;

const ROUTES: &str = "
Each stands under a `[[route]]` of its own.
";

const SIGNATURE: &str = r#"
### `signature`

What a route's `signature` has, as `{ scheme = "github", secret = { env = "GITHUB_SECRET" } }`; [gateway-auth.md](gateway-auth.md)
says what the senders sign. Secrets are in no message and in no log.
"#;

const QUOTA: &str = r#"
### `quota`

What somebody may send in a second, as `{ requests = 100, bytes = "1 MiB" }`: of a route, and in `[auth]` as `quota`,
`others_quota` and `anonymous_quota`. An `[[account]]` has the same keys among its own.
"#;

const HANDSHAKE: &str = r#"
### `handshake`

Before they deliver, senders of CloudEvents ask by OPTIONS whether they may, and how often. `WebHook-Request-Callback` is never
called: whoever asks could choose it.
"#;

/// The reference of all keys, as Markdown.
pub fn reference() -> String {
    let mut page = format!("{HEAD}{EXAMPLE}");
    for section in SECTIONS {
        let _ = write!(page, "\n## `[{}]`\n\n{}\n", section.name, section.doc);
        rows(&mut page, section.keys);
    }
    let _ = write!(
        page,
        "\n## `[{KAFKA}]`\n\nProperties of Kafka's client and its producer by their own names, with or without quotes: \
         `bootstrap.servers`, `security.protocol`, `sasl.username`, `compression.type` and all others of \
         [configuration.md](configuration.md). Without `bootstrap.servers` the gateway starts a broker in its own process.\n"
    );
    let _ = write!(page, "\n## `[{TLS}]`\n\nHTTPS instead of HTTP, if there is such a section.\n");
    rows(&mut page, tls::KEYS);
    let _ = write!(page, "\n## `[[route]]`\n{ROUTES}");
    rows(&mut page, routes::KEYS);
    page.push_str(SIGNATURE);
    rows(&mut page, signature::KEYS);
    page.push_str("\n### `cors`\n\nWhat pages of other origins may do, as `{ origins = [\"https://app.example.com\"] }`.\n");
    rows(&mut page, asking::CORS);
    page.push_str(HANDSHAKE);
    rows(&mut page, asking::HANDSHAKE);
    page.push_str(QUOTA);
    rows(&mut page, quota::KEYS);
    let _ = write!(
        page,
        "\n## `[[{ACCOUNT}]]`\n\nWhat one principal may do, each under a heading of its own.\n"
    );
    rows(&mut page, auth::ACCOUNTS);
    page
}

fn rows<T>(page: &mut String, keys: &[Key<T>]) {
    page.push_str("\n| key | default | takes | what it does |\n|---|---|---|---|\n");
    for key in keys {
        let default = match key.default {
            "-" | "its path" => key.default.to_owned(),
            default => format!("`{default}`"),
        };
        let _ = writeln!(page, "| `{}` | {default} | {} | {} |", key.name, key.takes(), key.doc);
    }
}
