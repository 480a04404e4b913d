//! `klamm perf produce`: an open-loop load with Kafka's own option names.
//!
//! Each record has an intended time; latency counts from there, so that a stall shows in the latency of
//! everything it delayed and not only in the one record that waited.

mod print;

use crate::args::{Global, PerfProduce};
use crate::connect::settings;
use crate::failure::{DATA, Failure, RATE_MISSED};
use crate::perf::RATE_TOLERANCE;
use crate::perf::content::Content;
use crate::perf::load::Load;
use crate::perf::measure::{Meter, Totals};
use crate::perf::payload;
use crate::perf::stage::Stage;
use crate::produce::named_headers;
use print::Printer;
use std::sync::Arc;
use std::time::Duration;

pub(crate) async fn run(global: &Global, args: PerfProduce) -> Result<(), Failure> {
    let (client_config, producer_config) = settings(global, &args.producer_props)?;
    let payloads = Arc::new(payload::load(&args)?);
    let headers = Arc::new(named_headers(&args.header)?);
    let stage = Stage::set(client_config, &args.topic)?;
    let client = stage.client().await?;
    let totals = Arc::new(Totals::default());
    let counted = Arc::clone(&totals);
    let producer_config = producer_config.on_batch(move |report| counted.count(report));
    let settings_text = format!("{producer_config:?}");
    let producer = client.producer(producer_config)?;
    producer.partitions_for(&args.topic).await?;
    let meter = Arc::new(Meter::new(args.warmup_records)?);
    let printer = Printer::start(global.output, &args, &meter);
    let load = Load {
        producer: producer.clone(),
        topic: args.topic.as_str().into(),
        content: Content::Plain { values: payloads, headers },
        meter: Arc::clone(&meter),
        rate: u64::try_from(args.throughput).ok().filter(|r| *r > 0),
        in_flight: None,
    };
    let (_, sent) = load.run(args.num_records, args.tasks).await;
    producer.close(Duration::from_secs(130)).await;
    let summary = meter.finish(&totals);
    printer.finish(&summary, &settings_text, args.print_metrics);
    sent?;
    if summary.failed > 0 {
        let text =
            format!("{} of {} records have no acknowledgement", summary.failed, args.num_records);
        return Err(Failure::new(DATA, text));
    }
    let target = args.throughput as f64;
    if target > 0.0 && summary.rate < target * (1.0 - RATE_TOLERANCE) {
        let text = format!("{:.0} records/s is short of the {target:.0} asked for", summary.rate);
        return Err(Failure::new(RATE_MISSED, text));
    }
    Ok(())
}
