//! `POST /v3/clusters/{cluster}/topics/{topic}/records:batch`: entries with ids, each with its own report.

use super::answer::{self, Answer};
use super::app::{App, Asked, Left};
use super::body::{self, Held, Whole};
use super::refused::Refused;
use super::stream::{self, Wrong};
use crate::format::Rejected;
use crate::format::confluent_v3::{BATCH_DEFAULT, Entry, Produce, batch_answer, entries, failure};

/// Takes the records of a batch.
pub(super) async fn produce(
    app: &App,
    cluster: String,
    asked: Asked<'_>,
    left: &mut Left,
) -> Result<Answer, Refused> {
    let Asked { matched, who, peer, parts, body, now_ms } = asked;
    let held = Held { parts: &parts, rules: matched.rules, now_ms };
    let Whole { bytes, admitted, .. } = body::whole(app, held, body, left).await?;
    let (envelope, _) = matched.envelope(&parts, peer, now_ms)?;
    let size = bytes.len();
    let read = body::aside(size, move || entries(&bytes, BATCH_DEFAULT, &envelope)).await?;
    let mut entries = Vec::with_capacity(read.len());
    for Entry { id, produce } in read {
        entries.push((id, held_to_partitions(app, produce).await));
    }
    let read = entries.iter().filter_map(|(_, produce)| produce.as_ref().ok());
    let produces: Vec<&Produce> = read.collect();
    app.guard.charge(&who, size, produces.len())?;
    let records = produces.iter().map(|produce| produce.record.clone()).collect();
    let appended = match app.write(records, Some(app.limits.wait)).await {
        Ok(written) => Ok(written.outcomes().await),
        Err(refused) => Err(refused),
    };
    drop(admitted);
    let mut taken = stream::reports(app, &cluster, &produces, &appended).into_iter();
    let reports = entries.iter().filter_map(|(id, produce)| match produce {
        Ok(_) => Some((id.clone(), taken.next()?)),
        Err(Wrong { code, message }) => Some((id.clone(), failure(*code, message))),
    });
    Ok(answer::answer(207, answer::JSON, batch_answer(reports.collect())))
}

/// What is read of an entry, unless Kafka does not have the partition that it names.
async fn held_to_partitions(
    app: &App,
    produce: Result<Produce, Rejected>,
) -> Result<Produce, Wrong> {
    let produce = produce.map_err(|rejected| Wrong::from(&rejected))?;
    let Produce { record, .. } = &produce;
    if let Some(partition) = record.partition {
        let checked = app.check_partition(&record.topic, partition).await;
        checked.map_err(|refused| Wrong::from(&refused))?;
    }
    Ok(produce)
}
