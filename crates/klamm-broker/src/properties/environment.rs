//! Pure: the variables that container images of Kafka take: `KAFKA_NUM_PARTITIONS` for `num.partitions`.

use crate::config::Overrides;

/// Variables of the images themselves, or of the virtual machine.
const OF_THE_IMAGE: [&str; 14] = [
    "KAFKA_CFG",
    "KAFKA_CLUSTER_ID",
    "KAFKA_CREATE_TOPICS",
    "KAFKA_DEBUG",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_HEAP_OPTS",
    "KAFKA_HOME",
    "KAFKA_JMX_HOSTNAME",
    "KAFKA_JMX_OPTS",
    "KAFKA_JMX_PORT",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_LOG4J_OPTS",
    "KAFKA_OPTS",
    "KAFKA_VERSION",
];

/// The setting that a variable stands for: `_` is `.`, `__` is `_`, `___` is `-`; `KAFKA_CFG_` is the prefix of some
/// images. None for variables of the image itself.
pub(super) fn setting(variable: &str) -> Option<String> {
    let rest = variable.strip_prefix("KAFKA_").filter(|_| !OF_THE_IMAGE.contains(&variable))?;
    let rest = rest.strip_prefix("CFG_").unwrap_or(rest);
    if rest.starts_with("LOG4J_") {
        return None;
    }
    let name = rest.to_ascii_lowercase();
    Some(name.replace("___", "-").replace("__", "\u{0}").replace('_', ".").replace('\u{0}', "_"))
}

/// A topic as `name`, `name:partitions`, `name:partitions:replicas` or
/// `name:partitions:replicas:cleanup.policy`.
///
/// # Errors
/// What it should have been.
pub(super) fn topic(text: &str) -> Result<(String, i32, Overrides), String> {
    let mut parts = text.trim().split(':');
    let name = parts.next().unwrap_or_default();
    let count = |text: Option<&str>| match text.map(str::parse::<i32>) {
        None => Ok(1),
        Some(Ok(count)) if count > 0 => Ok(count),
        Some(_) => Err(format!("{text:?} is not a number of partitions or replicas")),
    };
    let wrong = |_| format!("{text:?} is not NAME[:PARTITIONS[:REPLICAS[:CLEANUP_POLICY]]]");
    let partitions = count(parts.next()).map_err(wrong)?;
    count(parts.next()).map_err(wrong)?;
    let mut settings = Overrides::new();
    if let Some(policy) = parts.next() {
        settings.insert("cleanup.policy".to_owned(), policy.to_owned());
    }
    match parts.next() {
        None if !name.is_empty() => Ok((name.to_owned(), partitions, settings)),
        _ => Err(wrong(String::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_settings() {
        let name = |variable| setting(variable).unwrap_or_default();
        assert_eq!(name("KAFKA_LOG_RETENTION_HOURS"), "log.retention.hours");
        assert_eq!(name("KAFKA_CFG_LOG_RETENTION_HOURS"), "log.retention.hours");
        let jaas = "KAFKA_LISTENER_NAME_SASL__SSL_SCRAM___SHA___256_SASL_JAAS_CONFIG";
        assert_eq!(name(jaas), "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config");
        for image in ["KAFKA_HEAP_OPTS", "KAFKA_LOG4J_ROOT_LOGLEVEL", "HOME", "KAFKA_CREATE_TOPICS"]
        {
            assert_eq!(setting(image), None, "{image}");
        }
    }

    #[test]
    fn topics_come_in_the_forms_of_container_images() {
        let plain = |name: &str, partitions| (name.to_owned(), partitions, Overrides::new());
        assert_eq!(topic("a"), Ok(plain("a", 1)));
        assert_eq!(topic(" a:50 "), Ok(plain("a", 50)));
        assert_eq!(topic("a:50:2"), Ok(plain("a", 50)));
        let compact = Overrides::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
        assert_eq!(topic("b:1:1:compact"), Ok(("b".to_owned(), 1, compact)));
        for wrong in ["", ":1", "a:x", "a:0", "a:1:x", "a:1:1:compact:1"] {
            assert!(topic(wrong).is_err(), "{wrong:?}");
        }
    }
}
