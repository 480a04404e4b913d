//! Pure: files and functions one can hold in mind.

use super::finding::Finding;
use super::rust::{Source, block_end, find_word, line_of};
use super::tree::SourceFile;

const FILE_WATCH: usize = 600;
const FILE_BROKEN: usize = 900;
const FUNCTION_WATCH: usize = 70;
const FUNCTION_BROKEN: usize = 100;

/// The lengths of a Rust file that a person wrote, and of its functions.
pub(crate) fn check(file: &SourceFile, source: &Source) -> Vec<Finding> {
    if file.is_generated() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let lines = source.code.lines().count();
    findings.extend(judge(file, 0, "file", lines, FILE_WATCH, FILE_BROKEN));
    for (name, line, lines) in functions(&source.code) {
        let what = format!("fn {name}");
        findings.extend(judge(file, line, &what, lines, FUNCTION_WATCH, FUNCTION_BROKEN));
    }
    findings
}

fn judge(
    file: &SourceFile,
    line: usize,
    what: &str,
    lines: usize,
    watch: usize,
    broken: usize,
) -> Option<Finding> {
    let message = format!("{what} has {lines} lines; {watch} are many, {broken} too many");
    match lines {
        lines if lines > broken => Some(Finding::broken(&file.path, line, message)),
        lines if lines > watch => Some(Finding::watch(&file.path, line, message)),
        _ => None,
    }
}

/// The name, first line and length of every function with a body.
fn functions(code: &str) -> Vec<(&str, usize, usize)> {
    find_word(code, "fn")
        .filter_map(|at| {
            let after = code[at + 2..].trim_start();
            let name_end = after.find(|c: char| c != '_' && !c.is_alphanumeric())?;
            let name = &after[..name_end];
            // `fn(u8)` is a type.
            (!name.is_empty()).then_some(())?;
            let open = body(code, at)?;
            let first = line_of(code, at);
            Some((name, first, line_of(code, block_end(code, open)?) - first + 1))
        })
        .collect()
}

/// Where the body of the function declared at `at` opens; `None` for a declaration alone.
fn body(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (offset, byte) in code.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => return Some(offset),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{check, functions};
    use crate::tidy::finding::Severity;
    use crate::tidy::tree::{BANNER, SourceFile};

    fn severities(text: &str) -> Vec<Severity> {
        let file = SourceFile::new("a.rs", text.as_bytes().to_vec());
        let source = file.rust.as_ref().unwrap();
        check(&file, source).into_iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn functions_are_measured() {
        let code = "trait T { fn a(&self) -> [u8; 2]; }\nfn b(f: fn(u8)) {\n  {}\n}\n";
        assert_eq!(functions(code), [("b", 2, 3)]);
    }

    #[test]
    fn the_long_is_listed_and_the_too_long_fails() {
        assert!(severities(&"\n".repeat(600)).is_empty());
        assert_eq!(severities(&"\n".repeat(601)), [Severity::Watch]);
        assert_eq!(severities(&"\n".repeat(901)), [Severity::Broken]);
        assert!(severities(&format!("{BANNER}{}", "\n".repeat(901))).is_empty());
        let long = |lines: usize| format!("fn f() {{{}}}", "\n".repeat(lines - 1));
        assert_eq!(severities(&long(71)), [Severity::Watch]);
        assert_eq!(severities(&long(101)), [Severity::Broken]);
    }
}
