//! nginx that reads a request and answers 202: what HTTP costs where nothing else is done.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::chaos::free_port;
use crate::failure::{Doing, Result};
use crate::listening::Listening;

/// Requests on one connection: nginx would close it after a thousand.
const REQUESTS: u64 = 1_000_000_000;
/// Directories that it makes at the start, wherever it was built to.
const BODIES: [&str; 5] = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/// Starts `nginx` in one process, with all that it writes in `dir`.
pub(super) fn start(mut nginx: Command, dir: &Path) -> Result<Listening> {
    fs::create_dir_all(dir).doing(dir.display())?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let file = dir.join("nginx.conf");
    fs::write(&file, config(&address, dir)).doing(file.display())?;
    nginx.arg("-p").arg(dir).arg("-c").arg(&file).args(["-e", "stderr"]);
    Listening::start_at(&mut nginx, &address)
}

fn config(address: &str, dir: &Path) -> String {
    let dir = dir.display();
    let mut bodies = String::new();
    for body in BODIES {
        // Writing to memory does not fail.
        let _ = writeln!(bodies, "  {body}_temp_path {dir}/{body};");
    }
    format!(
        "daemon off;\nmaster_process off;\npid {dir}/pid;\nerror_log stderr error;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  keepalive_requests {REQUESTS};\n{bodies}\
         \x20 server {{\n    listen {address};\n    default_type application/json;\n\
         \x20   location / {{ return 202 '{{\"status\":\"accepted\"}}'; }}\n  }}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::config;

    #[test]
    fn all_that_it_writes_is_in_its_directory() {
        let text = config("127.0.0.1:7", Path::new("/d"));
        assert!(text.contains("    listen 127.0.0.1:7;\n"), "{text}");
        assert_eq!(text.matches("_temp_path /d/").count(), 5, "{text}");
        assert_eq!(text.matches('{').count(), text.matches('}').count(), "{text}");
    }
}
