//! What the gateway must get right between its log and Kafka: the embedded broker with its faults, and every record counted.
//!
//! Each hazard is a test under `tests/forwarding/`.
