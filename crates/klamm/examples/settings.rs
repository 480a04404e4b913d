//! Prints the reference of all settings, in Markdown: `docs/configuration.md` is its output.

fn main() {
    print!("{}", klamm::config::reference());
}
