//! Pure: Kafka's names of what groups are and what they are doing.

use std::fmt;
use std::str::FromStr;

/// A name that is none of Kafka's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is none of {known}")]
pub struct UnknownName {
    given: String,
    known: String,
}

/// Makes an enum of names; what is none of them is read as `Unknown`.
macro_rules! names {
    ($(#[$doc:meta])* $of:ident { $($(#[$variant_doc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[non_exhaustive]
        pub enum $of {
            /// The broker does not tell, or uses a name that this version of klamm does not know.
            #[default]
            Unknown,
            $($(#[$variant_doc])* $variant,)*
        }

        impl $of {
            const ALL: &[(&'static str, $of)] = &[$((stringify!($variant), $of::$variant),)*];

            /// Kafka's name of it.
            pub fn name(self) -> &'static str {
                Self::ALL.iter().find(|(_, of)| *of == self).map_or("Unknown", |(name, _)| name)
            }

            /// Reads a broker's word.
            pub(super) fn told(word: &str) -> Self {
                word.parse().unwrap_or_default()
            }
        }

        impl fmt::Display for $of {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        /// Kafka's names, in any case.
        impl FromStr for $of {
            type Err = UnknownName;

            fn from_str(given: &str) -> Result<Self, UnknownName> {
                let found = Self::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(given));
                found.map(|(_, of)| *of).ok_or_else(|| {
                    let known = Self::ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>();
                    UnknownName { given: given.to_owned(), known: known.join(", ") }
                })
            }
        }
    };
}

names! {
    /// What a group is doing.
    GroupState {
        /// Members are joining (classic protocol).
        PreparingRebalance,
        /// The members wait for their leader's assignment (classic protocol).
        CompletingRebalance,
        /// Every member has what it is to have.
        Stable,
        /// There is no such group, or it is being removed.
        Dead,
        /// It has no members; its offsets are kept for `offsets.retention.minutes`.
        Empty,
        /// The coordinator is working out an assignment (KIP-848).
        Assigning,
        /// Members are letting go of partitions, or taking them over (KIP-848).
        Reconciling,
        /// A streams group whose topics are not all there.
        NotReady,
    }
}

names! {
    /// By which protocol the members of a group agree on who reads what.
    GroupType {
        /// The protocol of KIP-848: the coordinator assigns.
        Consumer,
        /// JoinGroup and SyncGroup: a member assigns.
        Classic,
        /// A share group (KIP-932): several members read the same partition.
        Share,
        /// A Kafka Streams group (KIP-1071).
        Streams,
    }
}

#[cfg(test)]
mod tests {
    use super::{GroupState, GroupType};

    #[test]
    fn names_are_kafkas_and_read_in_any_case() {
        for (name, state) in GroupState::ALL {
            assert_eq!(state.name(), *name);
            assert_eq!(name.to_lowercase().parse(), Ok(*state));
        }
        assert_eq!("preparingrebalance".parse(), Ok(GroupState::PreparingRebalance));
        assert_eq!(GroupType::Classic.to_string(), "Classic");
        assert_eq!(
            format!("{:>10}|{:<8}|", GroupType::Share, GroupState::Dead),
            "     Share|Dead    |"
        );
    }

    #[test]
    fn words_of_newer_brokers_are_unknown_and_not_refused() {
        assert_eq!(GroupState::told("Dreaming"), GroupState::Unknown);
        assert_eq!(GroupType::told(""), GroupType::Unknown);
        let refused = "dreaming".parse::<GroupType>().unwrap_err().to_string();
        assert_eq!(refused, "\"dreaming\" is none of Consumer, Classic, Share, Streams");
    }
}
