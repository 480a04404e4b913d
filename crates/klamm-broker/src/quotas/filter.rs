//! Pure: which entities DescribeClientQuotas asks for.

use super::entity::{Entity, Refused};
use klamm_protocol::error_code::ErrorCode;

/// What is asked of one kind of name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Match {
    /// This name.
    Exact(String),
    /// What stands for all others.
    Default,
    /// Any name, and what stands for all others.
    Any,
}

/// A kind, and what is asked of it.
pub(crate) type Component = (String, Match);

/// All components together; a `strict` one wants no other kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    components: Vec<Component>,
    strict: bool,
}

impl Filter {
    /// # Errors
    /// INVALID_REQUEST for a kind that stands there twice; UNSUPPORTED_VERSION for one that does not exist.
    pub(crate) fn new(components: Vec<Component>, strict: bool) -> Result<Self, Refused> {
        for (place, (kind, _)) in components.iter().enumerate() {
            if !["user", "client-id", "ip"].contains(&kind.as_str()) {
                return Err(Refused::new(ErrorCode::UNSUPPORTED_VERSION));
            }
            if components.iter().take(place).any(|(other, _)| other == kind) {
                return Err(Refused::new(ErrorCode::INVALID_REQUEST));
            }
        }
        Ok(Self { components, strict })
    }

    /// Whether it means the entity.
    pub(crate) fn means(&self, entity: &Entity) -> bool {
        let one = |(kind, wanted): &Component| match (entity.get(kind), wanted) {
            (None, _) => false,
            (Some(_), Match::Any) | (Some(None), Match::Default) => true,
            (Some(name), Match::Exact(wanted)) => name.as_ref() == Some(wanted),
            (Some(Some(_)), Match::Default) => false,
        };
        self.components.iter().all(one) && (!self.strict || self.components.len() == entity.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, Match};
    use crate::quotas::entity::entity;

    #[test]
    fn a_filter_means_what_all_its_parts_mean() {
        let user = entity([("user", Some("u"))]).unwrap();
        let all = entity([("user", None)]).unwrap();
        let both = entity([("user", Some("u")), ("client-id", Some("c"))]).unwrap();
        let exact = |name: &str| Match::Exact(name.to_owned());
        for (components, strict, expected) in [
            (vec![], false, [true, true, true]),
            (vec![], true, [false, false, false]),
            (vec![("user", exact("u"))], false, [true, false, true]),
            (vec![("user", exact("u"))], true, [true, false, false]),
            (vec![("user", Match::Default)], false, [false, true, false]),
            (vec![("user", Match::Any)], true, [true, true, false]),
            (vec![("user", Match::Any), ("client-id", exact("c"))], true, [false, false, true]),
            (vec![("ip", Match::Any)], false, [false, false, false]),
        ] {
            let components: Vec<_> =
                components.into_iter().map(|(kind, wanted)| (kind.to_owned(), wanted)).collect();
            let filter = Filter::new(components, strict).unwrap();
            assert_eq!([&user, &all, &both].map(|entity| filter.means(entity)), expected);
        }
    }

    #[test]
    fn kinds_exist_and_stand_there_once() {
        let any = |kind: &str| (kind.to_owned(), Match::Any);
        assert!(Filter::new(vec![any("group")], false).is_err());
        assert!(Filter::new(vec![any("ip"), any("ip")], false).is_err());
    }
}
