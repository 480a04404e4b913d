//! Assignors by the names that configurations have for them.

use crate::config::{ConfigError, ConsumerConfig};
use crate::consumer::assignor::{
    Assignor, CooperativeStickyAssignor, RangeAssignor, RoundRobinAssignor, StickyAssignor,
};
use std::sync::Arc;

/// What Java's class names begin with.
const JAVA_PACKAGE: &str = "org.apache.kafka.clients.consumer.";

/// The assignors that a configuration names, the application's own first.
pub(in super::super) fn assignors_of(
    config: &ConsumerConfig,
) -> Result<Vec<Arc<dyn Assignor>>, ConfigError> {
    let own = config.assignors.0.iter().cloned();
    if !config.assignors.0.is_empty() {
        return Ok(own.collect());
    }
    let named = config.partition_assignment_strategy.iter();
    named.map(|name| assignor(name.trim())).collect()
}

fn assignor(name: &str) -> Result<Arc<dyn Assignor>, ConfigError> {
    Ok(match name.strip_prefix(JAVA_PACKAGE).unwrap_or(name) {
        "range" | "RangeAssignor" => Arc::new(RangeAssignor),
        "roundrobin" | "RoundRobinAssignor" => Arc::new(RoundRobinAssignor),
        "sticky" | "StickyAssignor" => Arc::new(StickyAssignor),
        "cooperative-sticky" | "CooperativeStickyAssignor" => Arc::new(CooperativeStickyAssignor),
        _ => {
            let reason = "range, roundrobin, sticky or cooperative-sticky";
            return Err(ConfigError::invalid("partition.assignment.strategy", reason));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignors_are_known_by_their_own_names_and_java_s() {
        let names = |list: &[&str]| {
            let config = ConsumerConfig::group("g").partition_assignment_strategy(list.to_vec());
            assignors_of(&config)
                .map(|of| of.iter().map(|a| a.name().to_owned()).collect::<Vec<_>>())
        };
        let all = ["range", "roundrobin", "sticky", "cooperative-sticky"];
        assert_eq!(names(&all).unwrap(), all);
        let java = ["RangeAssignor", "RoundRobinAssignor", "StickyAssignor"];
        let java = java.map(|class| format!("org.apache.kafka.clients.consumer.{class}"));
        assert_eq!(names(&java.each_ref().map(String::as_str)).unwrap(), all[..3]);
        let error = names(&["range", "best"]).unwrap_err().to_string();
        assert!(error.contains("partition.assignment.strategy"), "{error}");
    }

    #[test]
    fn the_application_s_own_assignors_stand_in_for_the_named_ones() {
        let config = ConsumerConfig::group("g").assignor(Arc::new(StickyAssignor));
        let names: Vec<String> =
            assignors_of(&config).unwrap().iter().map(|a| a.name().to_owned()).collect();
        assert_eq!(names, ["sticky"]);
    }
}
