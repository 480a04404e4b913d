//! The second part: one producer of large records, and consumers that each read all of them.

use super::check::Checker;
use super::outcome::Outcome;
use super::part::{Part, Script};
use super::plan::LargePlan;
use super::reader::{Job, Reader, Troubles};
use super::readings::Readings;
use super::stage::Stage;
use super::view::{Scene, View};
use crate::failure::Failure;
use std::sync::Arc;

/// One, so that all records have one order.
const PARTITIONS: i32 = 1;

/// Plays it.
pub(super) async fn play(
    stage: &Stage,
    plan: &LargePlan,
    view: &mut View,
) -> Result<Outcome, Failure> {
    let topic = stage.topic("large", PARTITIONS).await?;
    let readings = Arc::new(Readings::new()?);
    let troubles = Troubles::default();
    let consumer = stage.settings.consumer.clone();
    let observer = stage.client.consumer(consumer.clone())?;
    let checkers: Vec<Arc<Checker>> =
        (0..plan.readers).map(|_| Arc::new(Checker::new(stage.run, &readings))).collect();
    let job = |(number, checker): (usize, &Arc<Checker>)| Job {
        number,
        client: stage.settings.client.clone(),
        consumer: consumer.clone(),
        assign: (0..PARTITIONS).map(|partition| (Arc::clone(&topic), partition)).collect(),
        checker: Arc::clone(checker),
        troubles: troubles.clone(),
    };
    let readers = (1..).zip(&checkers).map(job).map(Reader::start).collect::<Result<_, _>>()?;
    let part = Part {
        name: "large",
        scene: scene(plan),
        load: stage.load(&topic, &readings, plan.sizes.clone(), plan.rate).await?,
        records: plan.records(),
        tasks: 1,
        partitions: PARTITIONS,
        ready_at: plan.readers,
        readings,
        checkers,
        readers,
        troubles,
        observer,
        script: Script::default(),
        broker_is_ours: stage.is_embedded(),
    };
    part.play(view).await
}

fn scene(plan: &LargePlan) -> Scene {
    Scene {
        part: 2,
        title: plan.title(),
        setting: plan.setting(),
        length: plan.duration.as_secs_f64(),
        target: plan.rate as f64,
        readers: plan.readers as u64,
        ..Scene::default()
    }
}
