//! From names and patterns to groups.

use super::scope::{fits_any, is_pattern};
use crate::failure::{Failure, TOPIC};
use klamm::admin::{GroupFilter, GroupList, GroupSummary, GroupType};
use klamm::{Admin, AdminError, ErrorCode};

/// What to do when a group is not there.
pub(super) const HINT: &str = "klamm groups list shows what there is";

/// The names these words stand for, in order and each once; without a word all groups of consumers.
pub(super) async fn select(admin: &Admin, words: &[String]) -> Result<Vec<String>, Failure> {
    let (patterns, mut names): (Vec<String>, Vec<String>) =
        words.iter().cloned().partition(|word| is_pattern(word));
    if !patterns.is_empty() || words.is_empty() {
        let list = admin.list_groups(GroupFilter::default()).await?;
        complete(&list)?;
        let wanted = |group: &&GroupSummary| {
            is_of_consumers(group) && (words.is_empty() || fits_any(words, &group.group_id))
        };
        names.extend(list.groups.iter().filter(wanted).map(|group| group.group_id.clone()));
        if names.is_empty() && !words.is_empty() {
            let why = format!("no group fits {}\n  {HINT}", words.join(", "));
            return Err(Failure::new(TOPIC, why));
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// Whether it commits offsets; groups that never had members have no protocol type.
fn is_of_consumers(group: &GroupSummary) -> bool {
    let type_fits = !matches!(group.group_type, GroupType::Share | GroupType::Streams);
    type_fits && matches!(group.protocol_type.as_str(), "consumer" | "")
}

/// # Errors
/// When a broker did not tell its groups.
pub(super) fn complete(list: &GroupList) -> Result<(), Failure> {
    match list.unanswered.first() {
        None => Ok(()),
        Some((node, error)) => {
            let what = format!("broker {node} did not tell its groups");
            Err(Failure::from(error.clone()).while_doing(what))
        }
    }
}

/// The failure of one group, with what to do about it.
pub(super) fn failure(group: &str, error: AdminError) -> Failure {
    let hint = match error.code() {
        Some(ErrorCode::GROUP_ID_NOT_FOUND) => format!("\n  {HINT}"),
        Some(ErrorCode::NON_EMPTY_GROUP) => {
            format!(
                "\n  it has members, which `klamm groups members {group}` shows: stop them first"
            )
        }
        _ => String::new(),
    };
    let failure = Failure::from(error).while_doing(format!("group {group}"));
    Failure::new(failure.status, format!("{failure}{hint}"))
}
