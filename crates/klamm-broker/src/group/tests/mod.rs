//! Whole scenarios in virtual time.

mod classic;
mod classic_errors;
mod offsets;
mod script;
mod walks;
