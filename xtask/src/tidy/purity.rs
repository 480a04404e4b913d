//! Pure: what a pure module may not touch, and that the protocol crate is pure as a whole.

use super::finding::Finding;
use super::rust::{Source, find_word, line_of};
use super::tree::SourceFile;

/// Reading a clock, a runtime, the outside world; a moment that the caller hands in is a value like any other.
const FORBIDDEN: [&str; 15] = [
    "tokio",
    "Instant::now",
    ".elapsed()",
    "SystemTime",
    "std::net",
    "std::fs",
    "std::env",
    "std::io::stdin",
    "std::io::stdout",
    "std::process",
    "std::thread",
    "std::os",
    "println!",
    "eprintln!",
    "env!",
];

/// Everything that depends on the order in which a hash map keeps its entries.
const ITERATION: [&str; 8] = [
    ".iter()",
    ".iter_mut()",
    ".keys()",
    ".values()",
    ".values_mut()",
    ".drain()",
    ".retain(",
    ".into_iter()",
];

/// What a pure file, or any file of klamm-protocol, must not mention outside its tests.
pub(crate) fn check(file: &SourceFile, source: &Source) -> Vec<Finding> {
    let declared = file.text.as_deref().is_some_and(|text| text.starts_with("//! Pure:"));
    let protocol = file.path.starts_with("crates/klamm-protocol/src/");
    if !(declared || protocol) || file.is_test() {
        return Vec::new();
    }
    let code = &source.shipped;
    let mut findings = Vec::new();
    for word in FORBIDDEN {
        for at in find_word(code, word) {
            let message = format!("{word} in a module that says it is pure");
            findings.push(Finding::broken(&file.path, line_of(code, at), message));
        }
    }
    for name in hashed(code) {
        findings.extend(iterations(code, name).into_iter().map(|at| {
            let message = format!("iterates over the hash map {name} in a pure module");
            Finding::broken(&file.path, line_of(code, at), message)
        }));
    }
    findings
}

/// The names of fields and variables that are a hash map or set.
fn hashed(code: &str) -> Vec<&str> {
    let mut names: Vec<&str> = ["HashMap", "HashSet"]
        .into_iter()
        .flat_map(|kind| find_word(code, kind))
        .filter_map(|at| {
            let before = code[..at].trim_end();
            let before = before.strip_suffix(':').or_else(|| before.strip_suffix('='))?.trim_end();
            let start = before
                .rfind(|c: char| c != '_' && !c.is_alphanumeric())
                .map_or(0, |boundary| boundary + 1);
            Some(&before[start..]).filter(|name| !name.is_empty())
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn iterations(code: &str, name: &str) -> Vec<usize> {
    find_word(code, name)
        .filter(|&at| {
            let after = code[at + name.len()..].trim_start();
            let called = ITERATION.iter().any(|method| after.starts_with(method));
            let before = code[..at].trim_end_matches("self.");
            let before = before.trim_end_matches("&mut ").trim_end_matches('&');
            called || (before.ends_with(" in ") && after.starts_with('{'))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::SourceFile;

    fn count(path: &str, text: &str) -> usize {
        let file = SourceFile::new(path, text.as_bytes().to_vec());
        check(&file, file.rust.as_ref().unwrap()).len()
    }

    #[test]
    fn a_clock_is_found_where_purity_is_declared() {
        let body = "fn f(at: Instant) { Instant::now(); tokio::spawn(x); }\n";
        assert_eq!(count("crates/klamm/src/a.rs", &format!("//! Pure: x\n{body}")), 2);
        assert_eq!(count("crates/klamm/src/a.rs", body), 0);
        assert_eq!(count("crates/klamm-protocol/src/a.rs", body), 2);
        assert_eq!(count("crates/klamm-protocol/src/tests.rs", body), 0);
        let tests = format!("//! Pure: x\n#[cfg(test)]\nmod tests {{ {body} }}");
        assert_eq!(count("crates/klamm/src/a.rs", &tests), 0);
    }

    #[test]
    fn iterating_a_hash_map_is_found_and_a_lookup_is_not() {
        let head = "//! Pure: x\nstruct S { m: HashMap<u8, u8>, v: Vec<u8> }\n";
        assert_eq!(count("a.rs", &format!("{head}fn f() {{ self.m.get(&1); self.v.iter(); }}")), 0);
        assert_eq!(count("a.rs", &format!("{head}fn f() {{ self.m.iter(); }}")), 1);
        assert_eq!(count("a.rs", &format!("{head}fn f() {{ for x in &self.m {{}} }}")), 1);
        assert_eq!(count("a.rs", "//! Pure: x\nfn f() { let s = HashSet::new(); s.drain(); }"), 1);
    }
}
