//! Members of a consumer group in other clients, as commands that take the flags of klamm's example `group_member`.

use std::ffi::OsString;

use super::matrix::clients::{go, java, python};
use crate::failure::Result;
use crate::place::Place;

/// Kafka's own client.
pub(crate) fn java_member(place: &Place) -> Result<Vec<OsString>> {
    java(place, "interop.Member")
}

/// confluent-kafka for Python.
pub(crate) fn librdkafka_member(place: &Place) -> Result<Vec<OsString>> {
    python(place, "member.py")
}

/// franz-go.
pub(crate) fn franz_go_member(place: &Place) -> Result<Vec<OsString>> {
    go(place, "member")
}
