//! Where the real brokers are.

/// Reads `KLAMM_TEST_<NAME>`; says so and returns nothing when there is none.
pub(crate) fn fact(test: &str, name: &str) -> Option<String> {
    let variable = format!("KLAMM_TEST_{}", name.to_uppercase());
    let value = std::env::var(&variable).ok();
    if value.is_none() {
        println!("SKIP {test}: {variable} is not set (cargo xtask kafka up --secure)");
    }
    value
}

/// Reads the file that a fact names.
pub(crate) fn file(test: &str, name: &str) -> Option<String> {
    let path = fact(test, name)?;
    Some(std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}")))
}
