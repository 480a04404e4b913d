//! An embedded broker that speaks Kafka's protocol to every client: in memory or durable, and faulty when asked.

mod group;
