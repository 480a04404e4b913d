//! Pure: words, paths and marks that must not be in the repository.

use super::finding::Finding;
use super::rust::{Source, find_word, line_of};
use super::tree::{BANNER, SourceFile};

/// No file is larger; what is, is fetched or made.
const MAX_BYTES: usize = 1 << 20;
/// Lists that tools write and that name where packages come from.
const LOCKS: [&str; 4] = ["Cargo.lock", "go.sum", "package-lock.json", "requirements.lock"];
/// File names that say nothing.
const NAMELESS: [&str; 5] = ["utils.rs", "util.rs", "helpers.rs", "misc.rs", "common.rs"];
const CODE: [(&str, &str); 5] = [
    ("todo!", "unfinished code"),
    ("unimplemented!", "unfinished code"),
    ("#[ignore", "a test that does not run"),
    ("dbg!", "a debugging aid"),
    ("process::exit", "an exit that skips destructors; return an ExitCode"),
];

/// Every rule about words that applies to `file`.
pub(crate) fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file.bytes > MAX_BYTES {
        let message = format!("{} bytes; at most {MAX_BYTES} belong here", file.bytes);
        findings.push(Finding::broken(&file.path, 0, message));
    }
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if let Some(text) = file.text.as_deref().filter(|_| !LOCKS.contains(&name)) {
        findings.extend(places(file, text));
    }
    if let (Some(text), Some(source)) = (&file.text, &file.rust) {
        if NAMELESS.contains(&name) {
            findings.push(Finding::broken(&file.path, 0, "a name that says nothing"));
        }
        findings.extend(head(file, text));
        findings.extend(code(file, source));
        findings.extend(documentation(file, text));
    }
    findings
}

/// Paths of one machine, hosts of package registries, notes to oneself.
fn places(file: &SourceFile, text: &str) -> Vec<Finding> {
    // Taken apart, or this file would be its own first finding.
    let paths = [["/ho", "me/"], ["/wo", "rk/"], ["/ro", "ot/"], ["/Use", "rs/"]];
    let hosts = [
        ["crates", ".io"],
        ["npmjs", ".org"],
        ["npmjs", ".com"],
        ["pypi", ".org"],
        ["maven", ".org"],
        ["repo.maven.apache", ".org"],
        ["proxy.golang", ".org"],
        ["docker", ".io"],
        ["arti", "factory"],
    ];
    let notes = [["TO", "DO"], ["FIX", "ME"]];
    let rules = paths
        .iter()
        .map(|word| (word, "a path of one machine"))
        .chain(hosts.iter().map(|word| (word, "the host of a package registry")))
        .chain(notes.iter().map(|word| (word, "a note to oneself")));
    rules
        .flat_map(|(word, why)| {
            let word = word.concat();
            let places: Vec<usize> = find_word(text, &word).collect();
            places.into_iter().map(move |at| (at, format!("{word}: {why}")))
        })
        .map(|(at, message)| Finding::broken(&file.path, line_of(text, at), message))
        .collect()
}

/// A Rust file says what it is before anything else.
fn head(file: &SourceFile, text: &str) -> Option<Finding> {
    let body = text.strip_prefix(BANNER).unwrap_or(text).trim_start();
    if file.path.starts_with("crates/klamm-protocol/src/message/") && !file.is_generated() {
        return Some(Finding::broken(&file.path, 1, "lacks the banner of generated files"));
    }
    let introduced = file.is_test() || body.starts_with("//!");
    (!introduced).then(|| Finding::broken(&file.path, 1, "does not say what it is (//!)"))
}

fn code(file: &SourceFile, source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (word, why) in CODE {
        for at in find_word(&source.code, word) {
            findings.push(Finding::broken(&file.path, line_of(&source.code, at), why));
        }
    }
    if file.path.starts_with("crates/") && file.path.contains("/src/") && !file.is_test() {
        for at in find_word(&source.shipped, ".expect(\"") {
            let message = "expect outside a test";
            findings.push(Finding::broken(&file.path, line_of(&source.shipped, at), message));
        }
    }
    for mark in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
        for (at, _) in source.code.match_indices(mark) {
            let end = source.code[at..].find(")]").map_or(source.code.len(), |end| at + end);
            if !source.code[at..end].contains("reason") {
                let message = "switches a lint off without a reason";
                findings.push(Finding::broken(&file.path, line_of(&source.code, at), message));
            }
        }
    }
    findings
}

/// Examples in documentation are run, or they lie one day.
fn documentation(file: &SourceFile, text: &str) -> Vec<Finding> {
    let fence = |line: &str| {
        let line = line.trim_start();
        let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))?;
        doc.trim_start().strip_prefix("```").map(str::to_owned)
    };
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index + 1, fence(line)?)))
        .filter(|(_, info)| {
            ["no_run", "ignore", "compile_fail"].iter().any(|word| info.contains(word))
        })
        .map(|(line, info)| {
            Finding::broken(&file.path, line, format!("an example that is not run: {info}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::SourceFile;

    fn count(path: &str, text: &str) -> usize {
        check(&SourceFile::new(path, text.as_bytes().to_vec())).len()
    }

    #[test]
    fn unfinished_code_is_found_and_its_name_in_a_string_is_not() {
        assert_eq!(count("a.rs", "//! A.\nfn f() { todo!() }"), 1);
        assert_eq!(count("a.rs", "//! A.\nfn f() { g(\"todo!()\") }"), 0);
        assert_eq!(count("a.rs", "//! A.\n#[test]\n#[ignore]\nfn f() {}"), 1);
    }

    #[test]
    fn a_lint_is_switched_off_with_a_reason() {
        assert_eq!(count("a.rs", "//! A.\n#[allow(dead_code)]\nfn f() {}"), 1);
        assert_eq!(count("a.rs", "//! A.\n#[allow(dead_code, reason = \"x\")]\nfn f() {}"), 0);
    }

    #[test]
    fn machines_registries_and_notes_are_found() {
        for word in [["/ho", "me/me"], ["https://crates", ".io/x"], ["// TO", "DO: later"]] {
            assert_eq!(count("notes.md", &word.concat()), 1, "{word:?}");
        }
        assert_eq!(count("go.sum", &["proxy.golang", ".org"].concat()), 0);
    }

    #[test]
    fn examples_run_and_files_introduce_themselves() {
        assert_eq!(count("a.rs", "//! ```no_run\n//! ```\n"), 1);
        assert_eq!(count("a.rs", "//! ```\n//! ```\n"), 0);
        assert_eq!(count("a.rs", "fn f() {}"), 1);
        assert_eq!(count("crates/klamm-protocol/src/message/a.rs", "//! A.\n"), 1);
        assert_eq!(count("utils.rs", "//! A.\n"), 1);
    }

    #[test]
    fn expect_belongs_to_tests() {
        let text = "//! A.\nfn f() { x.expect(\"y\"); }\n#[cfg(test)]\nmod tests { fn g() { x.expect(\"y\") } }";
        assert_eq!(count("crates/a/src/a.rs", text), 1);
        assert_eq!(count("crates/a/tests/a.rs", text), 0);
    }
}
