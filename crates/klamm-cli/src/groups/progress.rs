//! How far groups are: what they have committed, beside the ends of the logs and their members.

use super::place::Place;
use crate::failure::Failure;
use klamm::admin::{
    GroupDescription, GroupOffsetsSpec, MemberDescription, OffsetSpec, PartitionOffsets,
};
use klamm::{Admin, AdminError, IsolationLevel, OffsetAndMetadata, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// One group.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) group: GroupDescription,
    /// Partitions that it has committed or that a member has, in order.
    pub(super) partitions: Vec<PartitionProgress>,
}

/// One partition of a group.
#[derive(Debug)]
pub(super) struct PartitionProgress {
    pub(super) tp: TopicPartition,
    pub(super) committed: Option<OffsetAndMetadata>,
    pub(super) place: Place,
    /// Why the log's offsets are not known.
    pub(super) error: Option<AdminError>,
    /// Which of the group's members has it.
    pub(super) member: Option<usize>,
}

impl Progress {
    pub(super) fn member(&self, of: &PartitionProgress) -> Option<&MemberDescription> {
        self.group.members.get(of.member?)
    }

    /// The sum over all partitions whose lag is known.
    pub(super) fn total_lag(&self) -> Option<i64> {
        let known = self.partitions.iter().filter_map(|p| p.place.lag());
        known.reduce(i64::saturating_add)
    }
}

impl PartitionProgress {
    /// What is unusual about it.
    pub(super) fn note(&self) -> Option<String> {
        self.error.as_ref().map(ToString::to_string).or_else(|| self.place.note())
    }
}

/// Groups with their progress, or why it is not known.
pub(super) type Gathered = Vec<(String, Result<Progress, AdminError>)>;

/// Describes these groups.
pub(super) async fn gather(
    admin: &Admin,
    groups: Vec<String>,
    isolation: IsolationLevel,
) -> Result<Gathered, Failure> {
    let described = admin.describe_groups(groups).await?;
    let found = described.iter().filter(|(_, group)| group.is_ok());
    let wanted = found.map(|(name, _)| GroupOffsetsSpec::all(name.as_str())).collect();
    let offsets = admin.list_group_offsets(wanted).await?;
    let mut offsets: BTreeMap<String, Result<_, AdminError>> = offsets.into_iter().collect();
    let joined = described.into_iter().map(|(name, group)| {
        let committed = offsets.remove(&name).unwrap_or_else(|| Ok(BTreeMap::new()));
        let progress = group.and_then(|group| Ok(join(group, committed?)));
        (name, progress)
    });
    let mut gathered: Gathered = joined.collect();
    fill_in_ends(admin, &mut gathered, isolation).await?;
    Ok(gathered)
}

fn join(
    group: GroupDescription,
    mut committed: BTreeMap<TopicPartition, OffsetAndMetadata>,
) -> Progress {
    let mut owners: BTreeMap<TopicPartition, Option<usize>> =
        committed.keys().map(|tp| (tp.clone(), None)).collect();
    for (index, member) in group.members.iter().enumerate() {
        for tp in member.assignment.iter().flatten() {
            owners.insert(tp.clone(), Some(index));
        }
    }
    let partitions = owners.into_iter().map(|(tp, member)| {
        let committed = committed.remove(&tp);
        let place = Place { committed: committed.as_ref().map(|c| c.offset), ..Place::default() };
        PartitionProgress { tp, committed, place, error: None, member }
    });
    let partitions = partitions.collect();
    Progress { group, partitions }
}

async fn fill_in_ends(
    admin: &Admin,
    gathered: &mut Gathered,
    isolation: IsolationLevel,
) -> Result<(), Failure> {
    let known = gathered.iter().filter_map(|(_, progress)| progress.as_ref().ok());
    let all: BTreeSet<TopicPartition> =
        known.flat_map(|progress| progress.partitions.iter().map(|p| p.tp.clone())).collect();
    let (begins, ends) = bounds(admin, &all, isolation).await?;
    let known = gathered.iter_mut().filter_map(|(_, progress)| progress.as_mut().ok());
    for p in known.flat_map(|progress| &mut progress.partitions) {
        p.place.begin = offset(&begins, &p.tp);
        p.place.end = offset(&ends, &p.tp);
        p.error = ends.get(&p.tp).and_then(|found| found.as_ref().err().cloned());
    }
    Ok(())
}

/// Where logs begin, and where they end.
pub(super) async fn bounds(
    admin: &Admin,
    of: &BTreeSet<TopicPartition>,
    isolation: IsolationLevel,
) -> Result<(PartitionOffsets, PartitionOffsets), Failure> {
    let ask = |spec| admin.list_offsets(of.iter().map(move |tp| (tp.clone(), spec)), isolation);
    let (begins, ends) = tokio::join!(ask(OffsetSpec::Earliest), ask(OffsetSpec::Latest));
    Ok((begins?, ends?))
}

/// The offset found, if one was.
pub(super) fn offset(found: &PartitionOffsets, tp: &TopicPartition) -> Option<i64> {
    found.get(tp)?.as_ref().ok()?.map(|at| at.offset)
}
