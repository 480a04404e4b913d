//! Every message in every version: against the bytes of Kafka's own classes, and against hostile ones.

mod against_java;
mod codec;
mod golden;
mod hostile;
