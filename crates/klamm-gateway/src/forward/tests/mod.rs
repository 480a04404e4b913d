//! Tests of forwarding, in this crate's own terms; those with a broker are in `testing/gateway`.

mod window;
mod window_model;
