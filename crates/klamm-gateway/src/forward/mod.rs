//! From the log to Kafka: every record of it is sent until a broker has it, or a dead letter says why none takes it.

mod outcomes;

pub use self::outcomes::{NoOutcome, Outcome, Outcomes, Ticket};
