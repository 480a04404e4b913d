//! Pure: what `sasl.jaas.config` says of users.
//!
//! `org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret" user_bob="other";`

use secrecy::SecretString;

/// Entries of one module are not more.
const MAX_OPTIONS: usize = 10_000;

/// The users of a login module, with their passwords. The module's own `username` and `password` are for brokers that
/// connect to each other, and let nobody in.
///
/// # Errors
/// What is wrong, without any value.
pub(super) fn users(text: &str) -> Result<Vec<(String, SecretString)>, String> {
    let mut words = Words(text.trim());
    let module = words.plain().ok_or("it names no login module")?;
    let module = module.rsplit('.').next().unwrap_or_default().to_owned();
    if !matches!(module.as_str(), "PlainLoginModule" | "ScramLoginModule") {
        return Err(format!(
            "{module} is not known here; PlainLoginModule and ScramLoginModule are"
        ));
    }
    let flag = words.plain().unwrap_or_default();
    if !["required", "requisite", "sufficient", "optional"].contains(&flag) {
        return Err("after the module comes \"required\"".to_owned());
    }
    let mut users = Vec::new();
    for _ in 0..MAX_OPTIONS {
        if words.is_over()? {
            return Ok(users);
        }
        let (name, value) = words.option()?;
        if let Some(user) = name.strip_prefix("user_").filter(|user| !user.is_empty()) {
            users.push((user.to_owned(), SecretString::from(value)));
        }
    }
    Err(format!("more than {MAX_OPTIONS} options"))
}

struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// A word of letters without `=`.
    fn plain(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        let end = text.find(|c: char| c.is_whitespace() || c == ';' || c == '=');
        let (word, rest) = text.split_at(end.unwrap_or(text.len()));
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }

    /// Whether only the semicolon is left.
    fn is_over(&mut self) -> Result<bool, String> {
        self.0 = self.0.trim_start();
        match self.0.strip_prefix(';') {
            Some(rest) if rest.trim().is_empty() => Ok(true),
            Some(_) => Err("one login module, and nothing behind its semicolon".to_owned()),
            None if self.0.is_empty() => Err("it does not end in a semicolon".to_owned()),
            None => Ok(false),
        }
    }

    /// `name=value` or `name="value"`, with `\"` and `\\` in quotes.
    fn option(&mut self) -> Result<(&'a str, String), String> {
        let name = self.plain().ok_or("an option has no name")?;
        let rest = self.0.trim_start().strip_prefix('=');
        let rest = rest.ok_or_else(|| format!("{name} has no value"))?.trim_start();
        let Some(quoted) = rest.strip_prefix('"') else {
            self.0 = rest;
            let value = self.plain().ok_or_else(|| format!("{name} has no value"))?;
            return Ok((name, value.to_owned()));
        };
        let (mut value, mut escaped) = (String::new(), false);
        for (at, c) in quoted.char_indices() {
            match c {
                _ if escaped => value.push(c),
                '"' => {
                    self.0 = &quoted[at + 1..];
                    return Ok((name, value));
                }
                '\\' => {}
                c => value.push(c),
            }
            escaped = c == '\\' && !escaped;
        }
        Err(format!("the value of {name} has no closing quote"))
    }
}

#[cfg(test)]
mod tests {
    use super::users;
    use secrecy::ExposeSecret;

    fn read(text: &str) -> Result<Vec<(String, String)>, String> {
        let users = users(text)?.into_iter();
        Ok(users.map(|(name, password)| (name, password.expose_secret().to_owned())).collect())
    }

    #[test]
    fn users_are_those_with_the_prefix() {
        let plain = "org.apache.kafka.common.security.plain.PlainLoginModule required\n  username=\"admin\" \
                     password=\"p\" user_admin=\"p\" user_a-b=x  user_q = \"a \\\"b\\\\; c\" ;";
        let expected = [("admin", "p"), ("a-b", "x"), ("q", "a \"b\\; c")];
        let expected = expected.map(|(name, password)| (name.to_owned(), password.to_owned()));
        assert_eq!(read(plain).unwrap(), expected);
        let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        assert_eq!(read(scram).unwrap(), []);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for (text, says) in [
            ("", "names no login module"),
            ("com.sun.security.auth.module.Krb5LoginModule required;", "Krb5LoginModule"),
            ("PlainLoginModule user_a=\"s3cret\";", "required"),
            ("PlainLoginModule required user_a=\"s3cret\"", "semicolon"),
            ("PlainLoginModule required user_a=\"s3cret;", "closing quote"),
            ("PlainLoginModule required user_a;", "no value"),
            ("PlainLoginModule required user_a=s3cret; PlainLoginModule", "nothing behind"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says) && !error.contains("s3cret"), "{text}: {error}");
        }
    }
}
