//! Asking before something is gone.

use crate::failure::{FAILED, Failure, USAGE};
use std::io::{IsTerminal, Write};

/// Asks, unless `yes` was said already.
///
/// # Errors
/// When the answer is no, or nobody can be asked.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(USAGE, "deleting without a terminal takes --yes"));
    }
    eprint!("{question} [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    match std::io::stdin().read_line(&mut answer) {
        Ok(_) if answer.trim().eq_ignore_ascii_case("y") => Ok(()),
        _ => Err(Failure::new(FAILED, "nothing was deleted")),
    }
}
