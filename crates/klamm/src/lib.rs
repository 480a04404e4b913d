//! Kafka at full speed: an asynchronous client in pure Rust.
