//! The page for people: how a gateway is, with the last five minutes of it, and the same as JSON.
//!
//! The page is made whole here, numbers and drawings; its script only fetches it anew and puts in what has changed.

mod chart;
mod document;
mod history;
mod json;
mod panels;
mod summary;
mod words;

pub(super) use self::document::{Security, document};
pub(super) use self::history::{History, SAMPLE_EVERY};
pub(super) use self::json::json;
pub(super) use self::summary::Summary;
