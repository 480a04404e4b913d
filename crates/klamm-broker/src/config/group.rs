//! Pure: settings of one group, as `GROUP` resources carry them (KIP-848, KIP-932).

use super::kind::Kind;
use super::table::Setting;
use super::{BrokerConfig, Overrides, SettingError};
use std::str::FromStr;

const fn group(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    inherited: &'static str,
    doc: &'static str,
) -> Setting {
    let inherited = if inherited.is_empty() { None } else { Some(inherited) };
    Setting { name, kind, default, inherited, effective: true, doc }
}

/// What can be set for a group. Ranges are those that Kafka allows unless its broker is told otherwise.
pub(crate) const GROUP: &[Setting] = &[
    group(
        "consumer.heartbeat.interval.ms",
        Kind::Int(1, i32::MAX as i64),
        "5000",
        "group.consumer.heartbeat.interval.ms",
        "how often members are to be heard of",
    ),
    group(
        "consumer.session.timeout.ms",
        Kind::Int(1, i32::MAX as i64),
        "45000",
        "group.consumer.session.timeout.ms",
        "a member that is not heard of for so long is out",
    ),
    group(
        "share.auto.offset.reset",
        Kind::OffsetReset,
        "latest",
        "",
        "where a share group begins to read a partition",
    ),
    group(
        "share.delivery.count.limit",
        Kind::Int(2, 10),
        "5",
        "group.share.delivery.count.limit",
        "a record that went out so often is given up",
    ),
    group(
        "share.heartbeat.interval.ms",
        Kind::Int(5_000, 15_000),
        "5000",
        "group.share.heartbeat.interval.ms",
        "how often members are to be heard of",
    ),
    group(
        "share.isolation.level",
        Kind::Word(&["read_committed", "read_uncommitted"]),
        "read_uncommitted",
        "",
        "whether records of open and aborted transactions go out",
    ),
    group(
        "share.partition.max.record.locks",
        Kind::Int(100, 4_000),
        "2000",
        "group.share.partition.max.record.locks",
        "records of a partition that may be under way",
    ),
    group(
        "share.record.lock.duration.ms",
        Kind::Int(15_000, 60_000),
        "30000",
        "group.share.record.lock.duration.ms",
        "how long a member may keep a record",
    ),
    group(
        "share.renew.acknowledge.enable",
        Kind::Boolean,
        "true",
        "",
        "whether members may keep records longer",
    ),
    group(
        "share.session.timeout.ms",
        Kind::Int(45_000, 60_000),
        "45000",
        "group.share.session.timeout.ms",
        "a member that is not heard of for so long is out",
    ),
];

/// The group's setting of that name.
pub(crate) fn group_setting(name: &str) -> Option<&'static Setting> {
    GROUP.iter().find(|setting| setting.name == name)
}

/// Where a share group begins to read a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OffsetReset {
    Earliest,
    Latest,
    /// At the records that are not older than so many milliseconds.
    Within(i64),
}

impl OffsetReset {
    /// `earliest`, `latest`, or `by_duration:` with a duration of ISO 8601 that is not negative.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "earliest" => Some(Self::Earliest),
            "latest" => Some(Self::Latest),
            other => other.strip_prefix("by_duration:").and_then(duration_ms).map(Self::Within),
        }
    }
}

/// The milliseconds of `PnDTnHnMn.nS`; none for anything else.
fn duration_ms(text: &str) -> Option<i64> {
    let text = text.strip_prefix('P')?;
    let (days, time) = text.split_once('T').unwrap_or((text, ""));
    if text.is_empty() || text.ends_with('T') {
        return None;
    }
    let mut total = units(days, &[('D', 86_400_000)])?;
    total = total.checked_add(units(time, &[('H', 3_600_000), ('M', 60_000), ('S', 1_000)])?)?;
    Some(total)
}

/// The sum of numbers with these units behind them, each at most once and in this order.
fn units(mut text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut total = 0_i64;
    for &(unit, ms) in units {
        let Some((number, rest)) = text.split_once(unit) else { continue };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return None;
        }
        // Only seconds have parts, which count to the millisecond.
        let digits = if part.is_empty() { "0" } else { part.get(..3).unwrap_or(part) };
        let scale = 10_i64.checked_pow(u32::try_from(digits.len()).ok()?)?;
        if unit != 'S' && number.contains('.') {
            return None;
        }
        let part = digits.parse::<i64>().ok()? * 1_000 / scale;
        total = total.checked_add(whole.parse::<i64>().ok()?.checked_mul(ms)?)?;
        total = total.checked_add(part)?;
        text = rest;
    }
    text.is_empty().then_some(total)
}

/// Checks what was set for a group.
///
/// # Errors
/// [`SettingError`] for the first that is not known or not allowed.
pub(crate) fn check_group_settings(
    overrides: &Overrides,
    broker: &BrokerConfig,
) -> Result<(), SettingError> {
    for (name, value) in overrides {
        let setting = group_setting(name).ok_or_else(|| SettingError::Unknown(name.clone()))?;
        let kind = broker.consumer_range(name).unwrap_or(setting.kind);
        kind.check(value).map_err(|why| SettingError::value(name, value, why))?;
    }
    Ok(())
}

/// The text in force for a group: its own, or the default.
pub(crate) fn group_text<'a>(name: &str, own: Option<&'a Overrides>) -> &'a str {
    let own = own.and_then(|own| own.get(name)).map(|own| own.trim());
    own.or_else(|| group_setting(name).map(|setting| setting.default)).unwrap_or_default()
}

/// The number in force for a group: its own, or what the broker has.
pub(crate) fn group_number<T: FromStr>(name: &str, own: Option<&Overrides>, broker: T) -> T {
    let own = own.and_then(|own| own.get(name)).and_then(|own| own.trim().parse().ok());
    own.unwrap_or(broker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_iso_8601() {
        let good = [
            ("PT0S", 0),
            ("PT1.5S", 1_500),
            ("PT0.123456S", 123),
            ("P1D", 86_400_000),
            ("P2DT3H4M", 2 * 86_400_000 + 3 * 3_600_000 + 4 * 60_000),
        ];
        for (text, ms) in good {
            assert_eq!(duration_ms(text), Some(ms), "{text}");
        }
        let bad = [
            "",
            "P",
            "PT",
            "1D",
            "P1H",
            "PT1M2H",
            "PT-1S",
            "P1DT",
            "PT1.5H",
            "PT99999999999999999H",
        ];
        for text in bad {
            assert_eq!(duration_ms(text), None, "{text}");
        }
    }

    #[test]
    fn a_group_goes_before_the_broker_and_the_default() {
        let (lock, reset) = ("share.record.lock.duration.ms", "share.auto.offset.reset");
        assert_eq!((group_number(lock, None, 7), group_text(reset, None)), (7, "latest"));
        let broker = BrokerConfig::default();
        let own = Overrides::from([
            (lock.to_owned(), "15000".to_owned()),
            (reset.to_owned(), "earliest".to_owned()),
        ]);
        assert_eq!(group_number(lock, Some(&own), 7), 15_000);
        assert_eq!(group_text(reset, Some(&own)), "earliest");
        assert_eq!(check_group_settings(&own, &broker), Ok(()));
        for (name, value) in [("retention.ms", "1"), (lock, "1"), (reset, "none")] {
            let wrong = Overrides::from([(name.to_owned(), value.to_owned())]);
            assert!(check_group_settings(&wrong, &broker).is_err(), "{name}={value}");
        }
    }

    #[test]
    fn times_of_consumers_are_between_those_of_the_broker() {
        let mut broker = BrokerConfig::default();
        let own = Overrides::from([("consumer.session.timeout.ms".to_owned(), "9000".to_owned())]);
        assert!(check_group_settings(&own, &broker).is_err(), "45 seconds at least");
        broker.set("group.consumer.min.session.timeout.ms", "9000").unwrap();
        assert_eq!(check_group_settings(&own, &broker), Ok(()));
        broker.set("group.consumer.max.session.timeout.ms", "8999").unwrap();
        assert!(check_group_settings(&own, &broker).is_err());
    }

    #[test]
    fn names_are_in_order_and_defaults_are_values_and_the_brokers() {
        assert!(GROUP.is_sorted_by_key(|setting| setting.name));
        for setting in GROUP {
            assert_eq!(setting.kind.check(setting.default), Ok(()), "{}", setting.name);
            let inherited = setting.inherited.and_then(crate::config::table::broker_setting);
            assert_eq!(inherited.is_some(), setting.inherited.is_some(), "{}", setting.name);
            assert!(inherited.is_none_or(|broker| broker.default == setting.default));
        }
    }
}
