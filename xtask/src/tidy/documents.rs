//! Pure: what the repository's own papers must say.

use super::arrows::Package;
use super::finding::Finding;
use super::tree::{SourceFile, Tree};

const ARCHITECTURE: &str = "ARCHITECTURE.md";
/// A map nobody reads to the end is none.
const ARCHITECTURE_LINES: usize = 250;
const PAPERS: [&str; 7] = [
    "README.md",
    ARCHITECTURE,
    "DESIGN.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
];

/// The crate of one system call that is not safe to name: it has lints of its own, for the workspace's forbid any such call.
const UNSAFE: &str = "crates/klamm-huge-pages/Cargo.toml";

/// The papers, and that every crate but one takes the workspace's lints.
pub(crate) fn check(tree: &Tree, packages: &[Package]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = PAPERS
        .iter()
        .filter(|paper| tree.get(paper).is_none())
        .map(|paper| Finding::broken(paper, 0, "is missing"))
        .collect();
    if let Some(text) = tree.get(ARCHITECTURE).and_then(|file| file.text.as_deref()) {
        findings.extend(architecture(text, packages));
    }
    let manifest = |file: &&SourceFile| {
        file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml")
            || file.path == "xtask/Cargo.toml"
    };
    for file in tree.files.iter().filter(manifest) {
        let text = file.text.as_deref().unwrap_or_default();
        let strict = match file.path.as_str() {
            UNSAFE => text.contains("undocumented_unsafe_blocks = \"deny\""),
            _ => text.contains("[lints]\nworkspace = true"),
        };
        if !strict {
            findings.push(Finding::broken(&file.path, 0, "does not take the workspace's lints"));
        }
    }
    findings
}

fn architecture(text: &str, packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > ARCHITECTURE_LINES {
        let message = format!("{lines} lines; a map has at most {ARCHITECTURE_LINES}");
        findings.push(Finding::broken(ARCHITECTURE, 0, message));
    }
    for package in packages {
        let named = super::rust::find_word(text, &package.name).next().is_some();
        if !named {
            let message = format!("does not mention the crate {}", package.name);
            findings.push(Finding::broken(ARCHITECTURE, 0, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::{SourceFile, Tree};

    #[test]
    fn missing_papers_and_lints_are_found() {
        let mut files: Vec<SourceFile> =
            super::PAPERS.iter().map(|paper| SourceFile::new(paper, Vec::new())).collect();
        assert!(check(&Tree { files: Vec::new() }, &[]).len() == 7);
        files.push(SourceFile::new("crates/a/Cargo.toml", b"[package]".to_vec()));
        assert_eq!(check(&Tree { files }, &[]).len(), 1);
    }
}
