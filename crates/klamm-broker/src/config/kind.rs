//! Pure: what values a setting takes.

use super::group::OffsetReset;

/// The type of a setting, with what it allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Boolean,
    /// A whole number of 32 bits, from the first to the second.
    Int(i64, i64),
    /// A whole number of 64 bits, from the first to the second.
    Long(i64, i64),
    /// A number between 0 and 1.
    Ratio,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, separated by commas.
    Words(&'static [&'static str]),
    /// `earliest`, `latest` or `by_duration:` with a duration.
    OffsetReset,
}

/// From 0 on.
pub(crate) const COUNT: Kind = Kind::Long(0, i64::MAX);
/// From 0 on, or -1 for no limit.
pub(crate) const LIMIT: Kind = Kind::Long(-1, i64::MAX);

impl Kind {
    /// Whether `value` is one; the error completes "`name`=`value`: …".
    pub(crate) fn check(self, value: &str) -> Result<(), String> {
        match self {
            Self::Boolean => match value.trim() {
                "true" | "false" => Ok(()),
                _ => Err("must be true or false".to_owned()),
            },
            Self::Int(min, max) | Self::Long(min, max) => match value.trim().parse::<i64>() {
                Ok(number) if (min..=max).contains(&number) => Ok(()),
                Ok(_) => Err(format!("must be between {min} and {max}")),
                Err(_) => Err("must be a whole number".to_owned()),
            },
            Self::Ratio => match value.trim().parse::<f64>() {
                Ok(number) if (0.0..=1.0).contains(&number) => Ok(()),
                _ => Err("must be a number between 0 and 1".to_owned()),
            },
            Self::OffsetReset => match OffsetReset::parse(value) {
                Some(_) => Ok(()),
                None => Err("must be earliest, latest or by_duration:PnDTnHnMnS".to_owned()),
            },
            Self::Word(words) if words.contains(&value.trim()) => Ok(()),
            Self::Word(words) => Err(format!("must be one of {}", words.join(", "))),
            Self::Words(words) => {
                let known = |word: &str| words.contains(&word.trim());
                match value.split(',').all(known) {
                    true => Ok(()),
                    false => {
                        Err(format!("must be some of {}, separated by commas", words.join(", ")))
                    }
                }
            }
        }
    }

    /// The number of the type in DescribeConfigs.
    pub(crate) fn wire(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::Word(_) | Self::OffsetReset => 2,
            Self::Int(..) => 3,
            Self::Long(..) => 5,
            Self::Ratio => 6,
            Self::Words(_) => 7,
        }
    }

    /// Whether values can be appended to and subtracted from.
    pub(crate) fn is_list(self) -> bool {
        matches!(self, Self::Words(_))
    }
}

#[cfg(test)]
mod tests {
    use super::{COUNT, Kind, LIMIT};

    #[test]
    fn values_are_checked_against_their_kind() {
        let good = [
            (Kind::Boolean, "true"),
            (Kind::Int(0, 10), "10"),
            (LIMIT, "-1"),
            (Kind::Ratio, "0.5"),
            (Kind::Word(&["a", "b"]), "b"),
            (Kind::Words(&["compact", "delete"]), "compact, delete"),
        ];
        for (kind, value) in good {
            assert_eq!(kind.check(value), Ok(()), "{kind:?} {value}");
        }
        let bad = [
            (Kind::Boolean, "yes"),
            (Kind::Int(0, 10), "11"),
            (COUNT, "-1"),
            (COUNT, "1e3"),
            (Kind::Ratio, "NaN"),
            (Kind::Word(&["a"]), "A"),
            (Kind::Words(&["compact"]), "compact,,"),
        ];
        for (kind, value) in bad {
            assert!(kind.check(value).is_err(), "{kind:?} {value}");
        }
    }
}
