//! Whole scenarios in virtual time.

mod classic;
mod classic_errors;
mod consumer;
mod consumer_errors;
mod consumer_member;
mod consumer_offsets;
mod consumer_walks;
mod offsets;
mod script;
mod share;
mod walks;
