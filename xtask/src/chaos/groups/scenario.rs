//! Pure: how members share partitions, and who they are.

use crate::failure::{Failure, Result};

/// A way to share partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// The classic protocol; all partitions are let go of at each rebalance.
    Eager,
    /// The classic protocol; only what moves is let go of.
    Cooperative,
    /// As eager, with members that keep their partitions over a restart.
    Static,
    /// KIP-848.
    Consumer,
}

/// Whose client a member uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Klamm,
    Java,
    Librdkafka,
    FranzGo,
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scenario {
    pub(super) sharing: Sharing,
    /// Who takes turns in a group with klamm; `None`: klamm alone, in a chain of three groups.
    pub(super) guest: Option<Client>,
}

impl Sharing {
    pub(super) const ALL: [Self; 4] =
        [Self::Eager, Self::Cooperative, Self::Static, Self::Consumer];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Eager => "eager",
            Self::Cooperative => "cooperative",
            Self::Static => "static",
            Self::Consumer => "consumer",
        }
    }

    /// `group.protocol` and `partition.assignment.strategy`.
    pub(super) fn settings(self) -> (&'static str, &'static str) {
        match self {
            Self::Eager => ("classic", "range"),
            Self::Static => ("classic", "range"),
            Self::Cooperative => ("classic", "cooperative-sticky"),
            Self::Consumer => ("consumer", ""),
        }
    }
}

impl Client {
    pub(super) const GUESTS: [Self; 3] = [Self::Java, Self::Librdkafka, Self::FranzGo];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Klamm => "klamm",
            Self::Java => "java",
            Self::Librdkafka => "librdkafka",
            Self::FranzGo => "franz-go",
        }
    }
}

impl Scenario {
    /// `eager`, `consumer`, or with a guest `eager+java`.
    pub(super) fn name(self) -> String {
        match self.guest {
            None => self.sharing.name().to_owned(),
            Some(guest) => format!("{}+{}", self.sharing.name(), guest.name()),
        }
    }

    /// Reads a name.
    pub(super) fn parse(name: &str) -> Result<Self> {
        let all = Self::all();
        let names = || all.iter().map(|scenario| scenario.name()).collect::<Vec<_>>().join(", ");
        let found = all.iter().find(|scenario| scenario.name() == name);
        found
            .copied()
            .ok_or_else(|| Failure::new(format!("no scenario {name:?}; there are {}", names())))
    }

    /// Every scenario there is.
    pub(super) fn all() -> Vec<Self> {
        let guests = std::iter::once(None).chain(Client::GUESTS.map(Some));
        guests.flat_map(|guest| Sharing::ALL.map(|sharing| Self { sharing, guest })).collect()
    }

    /// The client of the `n`-th member of a group.
    pub(super) fn client(self, n: usize) -> Client {
        match self.guest {
            Some(guest) if n % 2 == 1 => guest,
            _ => Client::Klamm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Scenario;

    #[test]
    fn names_are_read_as_they_are_written() {
        for scenario in Scenario::all() {
            assert_eq!(Scenario::parse(&scenario.name()).unwrap(), scenario);
        }
        assert_eq!(Scenario::all().len(), 16);
        assert!(Scenario::parse("lazy").unwrap_err().to_string().contains("eager+java"));
    }
}
