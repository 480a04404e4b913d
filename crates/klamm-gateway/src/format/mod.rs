//! From the bytes of a request to [`Accepted`](crate::Accepted) records, and Confluent's answers back; all of it pure.
//!
//! | What comes | Where |
//! |---|---|
//! | A whole request to a topic | [`incoming`] |
//! | JSON, an array or lines of it, text, bytes | [`plain`] |
//! | CloudEvents in their three modes | [`cloud_events`] |
//! | Confluent REST v2 and v3 | [`confluent_v2`], [`confluent_v3`] |
//!
//! All of them fill an [`Envelope`] and fail with a [`Rejected`] that says where.

pub mod cloud_events;
pub mod confluent_v2;
pub mod confluent_v3;
mod envelope;
mod incoming;
pub mod json;
mod media;
pub mod plain;
mod query;
mod read;
mod rejected;

pub use self::envelope::{Envelope, RECORDS_MAX};
pub use self::incoming::{Dialect, Incoming, dialect, incoming};
pub use self::media::Media;
pub use self::query::{Query, decode_percent};
pub use self::rejected::{Position, Rejected};
