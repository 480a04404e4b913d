//! The first part: many tasks, one producer, a group that one member joins and one is torn out of.

use super::check::Checker;
use super::outcome::Outcome;
use super::part::{Part, Script};
use super::plan::GroupPlan;
use super::reader::{Job, Reader, Troubles};
use super::readings::Readings;
use super::stage::Stage;
use super::view::{Scene, View};
use crate::failure::Failure;
use std::sync::Arc;

/// Plays it.
pub(super) async fn play(
    stage: &Stage,
    plan: &GroupPlan,
    view: &mut View,
) -> Result<Outcome, Failure> {
    let topic = stage.topic("group", plan.partitions).await?;
    let readings = Arc::new(Readings::new()?);
    let checker = Arc::new(Checker::new(stage.run, &readings));
    let troubles = Troubles::default();
    let consumer = stage.member_of(&topic)?;
    let observer = stage.client.consumer(consumer.clone())?;
    let job = |number| Job {
        number,
        client: stage.settings.client.clone(),
        consumer: consumer.clone().subscribe([&*topic]),
        assign: Vec::new(),
        checker: Arc::clone(&checker),
        troubles: troubles.clone(),
    };
    let readers = (1..=plan.members).map(|n| Reader::start(job(n))).collect::<Result<_, _>>()?;
    let script = Script {
        session_timeout: plan.session_timeout,
        join: Some((plan.joins_at(), job(plan.members + 1))),
        kill: Some(plan.killed_at()),
        ..Script::default()
    };
    let part = Part {
        name: "group",
        scene: scene(plan),
        load: stage.load(&topic, &readings, plan.size..=plan.size, plan.rate).await?,
        records: plan.records(),
        tasks: plan.tasks,
        partitions: plan.partitions,
        ready_at: usize::try_from(plan.partitions).unwrap_or(0),
        readings,
        checkers: vec![checker],
        readers,
        troubles,
        observer,
        script,
        broker_is_ours: stage.is_embedded(),
    };
    part.play(view).await
}

fn scene(plan: &GroupPlan) -> Scene {
    Scene {
        part: 1,
        title: plan.title(),
        setting: plan.setting(),
        length: plan.duration.as_secs_f64(),
        target: plan.rate as f64,
        readers: 1,
        ..Scene::default()
    }
}
