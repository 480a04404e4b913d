//! Transactions: listed and described while they are open, after they have ended, and ended by force.

use super::call::{Call, Tools};
use super::report::Report;
use crate::failure::{Failure, Result};

/// Looks at a transaction until it is open; each takes a second or two.
const LOOKS: usize = 15;

/// A producer that commits, and one that never would.
pub(super) fn check(tools: &Tools<'_>, report: &mut Report) {
    let t = format!("tools-transactions-{}", std::process::id());
    report.calls(tools, &committed(&t));
    let verdict = open(tools, report, &t);
    report.take("a transaction that stays open", verdict);
}

fn transactions(args: impl AsRef<str>) -> Call {
    Call::new("TransactionsCommand", args)
}

fn consume(t: &str, isolation: &str, records: &str) -> Call {
    let args =
        format!("--topic {t} --from-beginning --timeout-ms 3000 --isolation-level {isolation}");
    Call::new("consumer.ConsoleConsumer", args)
        .says(format!("Processed a total of {records} messages"))
}

fn committed(t: &str) -> Vec<Call> {
    let produce = format!("--topic {t} --num-records 200 --throughput -1 --record-size 100");
    let id = format!("--transactional-id {t}-1");
    vec![
        Call::new("TopicCommand", format!("--create --topic {t} --partitions 1")).says("Created"),
        Call::new("ProducerPerformance", format!("{produce} {id} --transaction-duration-ms 20"))
            .says("200 records sent"),
        transactions("list").says(format!("{t}-1 1")).says("CompleteCommit"),
        transactions(format!("describe {id}")).says("CompleteCommit 60000"),
        consume(t, "read_committed", "200"),
        transactions("find-hanging --broker-id 1").never_says(t),
    ]
}

/// What is shown of an open transaction, what its records are worth, and that it can be ended from outside.
fn open(tools: &Tools<'_>, report: &mut Report, t: &str) -> Result<()> {
    let id = format!("{t}-2");
    let endless = format!("--topic {t} --num-records 1000000 --throughput 5 --record-size 10");
    let args = format!("{endless} --transactional-id {id} --transaction-duration-ms 600000");
    let producer = tools.begin(&Call::new("ProducerPerformance", args))?;
    let describe = transactions(format!("describe --transactional-id {id}"));
    let ongoing = describe.clone().says("Ongoing").says(format!("{t}-0"));
    if !report.until(tools, &ongoing, LOOKS) {
        return Err(Failure::new("it was never open"));
    }
    let producers = transactions(format!("describe-producers --topic {t} --partition 0"));
    report.calls(
        tools,
        &[
            transactions("list").says(format!("{id} 1")).says("Ongoing"),
            producers.says("CurrentTransactionStartOffset"),
            consume(t, "read_committed", "200"),
            transactions(format!("forceTerminateTransaction --transactionalId {id}")),
            describe.says("Empty").never_says("Ongoing"),
        ],
    );
    drop(producer);
    report.calls(tools, &[consume(t, "read_committed", "200")]);
    Ok(())
}
