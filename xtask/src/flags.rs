//! Pure: a small reader of `--name value`, `--name=value` and `--switch` arguments.

use crate::failure::{Doing, Failure, Result};

/// The arguments of one command, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    values: Vec<(String, String)>,
    switches: Vec<String>,
    words: Vec<String>,
}

impl Flags {
    /// Reads `args`, where `with_value` and `switches` are all the names there are; anything else is an error.
    pub(crate) fn parse(args: &[String], with_value: &[&str], switches: &[&str]) -> Result<Self> {
        let flags = Self::with_words(args, with_value, switches)?;
        match flags.words.first() {
            Some(word) => Err(unknown(word, with_value, switches)),
            None => Ok(flags),
        }
    }

    /// The same for a command that takes words; everything after `--` is one.
    pub(crate) fn with_words(
        args: &[String],
        with_value: &[&str],
        switches: &[&str],
    ) -> Result<Self> {
        let mut flags = Self::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            if arg == "--" {
                flags.words.extend(rest.by_ref().cloned());
            } else if let Some(name) = arg.strip_prefix("--") {
                let (name, inline) = match name.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (name, None),
                };
                if switches.contains(&name) && inline.is_none() {
                    flags.switches.push(name.to_owned());
                } else if with_value.contains(&name) {
                    let value = inline
                        .or_else(|| rest.next().cloned())
                        .ok_or_else(|| Failure::new(format!("--{name} needs a value")))?;
                    flags.values.push((name.to_owned(), value));
                } else {
                    return Err(unknown(arg, with_value, switches));
                }
            } else {
                flags.words.push(arg.clone());
            }
        }
        Ok(flags)
    }

    /// The last value given for `name`.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Every value given for `name`, in order.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The value of `name` as a number, or `default` when it was not given.
    pub(crate) fn number<T>(&self, name: &str, default: T) -> Result<T>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        match self.value(name) {
            Some(text) => text.parse().doing(format_args!("--{name} {text}")),
            None => Ok(default),
        }
    }

    /// Whether the switch `name` was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.switches.iter().any(|given| given == name)
    }

    /// The arguments that are neither a flag nor a flag's value.
    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }
}

fn unknown(arg: &str, with_value: &[&str], switches: &[&str]) -> Failure {
    let known: Vec<String> =
        with_value.iter().chain(switches).map(|known| format!("--{known}")).collect();
    match known.is_empty() {
        true => Failure::new(format!("{arg} is not known here; it takes no arguments")),
        false => Failure::new(format!("{arg} is not known here; there are: {}", known.join(" "))),
    }
}

#[cfg(test)]
mod tests {
    use super::Flags;

    fn parse(args: &[&str]) -> crate::failure::Result<Flags> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Flags::with_words(&args, &["brokers", "set"], &["secure"])
    }

    #[test]
    fn values_switches_and_words() {
        let flags = parse(&["up", "--brokers", "3", "--set=a=b", "--secure", "--", "--x"]).unwrap();
        assert_eq!(flags.number("brokers", 1_u16).unwrap(), 3);
        assert_eq!(flags.value("set"), Some("a=b"));
        assert!(flags.has("secure"));
        assert_eq!(flags.words(), ["up", "--x"]);
    }

    #[test]
    fn the_unknown_and_the_unfinished_are_errors() {
        let word = Flags::parse(&["slow_sockets".to_owned()], &[], &[]).unwrap_err();
        assert!(word.to_string().contains("slow_sockets"), "{word}");
        assert!(parse(&["--borkers", "3"]).unwrap_err().to_string().contains("--brokers"));
        assert!(parse(&["--brokers"]).unwrap_err().to_string().contains("needs a value"));
        assert!(parse(&["--brokers", "many"]).unwrap().number("brokers", 1_u16).is_err());
    }
}
