//! Consumer groups of both protocols: listed, described, moved to other offsets, and deleted.

use super::call::{Call, Tools};
use super::klamm_groups::{set_alike, told_alike};
use super::records::produce;
use super::report::Report;
use crate::failure::{Failure, Result};

const GROUPS: &str = "consumer.group.ConsumerGroupCommand";
const RECORDS: u32 = 500;
/// Looks at a group until it has settled; each takes a second or two.
const LOOKS: usize = 15;

/// Groups that have read and left, and one that is reading.
pub(super) fn check(tools: &Tools<'_>, report: &mut Report) {
    let t = format!("tools-groups-{}", std::process::id());
    report.calls(tools, &filled(&t));
    report.calls(tools, &read(&t, "classic"));
    report.calls(tools, &read(&t, "consumer"));
    report.calls(tools, &moved(&t, "classic"));
    report.calls(tools, &moved(&t, "consumer"));
    report.calls(tools, &more_ways(&t));
    for protocol in ["classic", "consumer"] {
        set_alike(tools, report, &format!("{t}-{protocol}"), &t);
    }
    let verdict = members(tools, report, &t);
    report.take("a group with a member", verdict);
    report.calls(tools, &gone(&t, "classic"));
    report.calls(tools, &gone(&t, "consumer"));
}

/// The least that shows groups at work: one of them, read, moved and deleted.
pub(super) fn short(tools: &Tools<'_>, report: &mut Report) {
    let t = format!("tools-groups-{}", std::process::id());
    report.calls(tools, &filled(&t));
    report.calls(tools, &read(&t, "consumer"));
    report.calls(tools, &moved(&t, "consumer"));
    told_alike(tools, report, &format!("{t}-consumer"));
    report.calls(tools, &gone(&t, "consumer"));
}

fn groups(args: impl AsRef<str>) -> Call {
    Call::new(GROUPS, args)
}

fn filled(t: &str) -> Vec<Call> {
    let create = format!("--create --topic {t} --partitions 1");
    vec![Call::new("TopicCommand", create).says("Created topic"), produce(t, RECORDS, "none")]
}

/// A group that reads everything and leaves; it is called like its protocol.
fn read(t: &str, protocol: &str) -> Vec<Call> {
    let group = format!("{t}-{protocol}");
    let all = format!("--topic {t} --group {group} --num-records {RECORDS} --timeout 30000");
    vec![
        Call::new(
            "ConsumerPerformance",
            format!("{all} --command-property group.protocol={protocol}"),
        )
        .says(format!(", {RECORDS}, ")),
        groups("--list --state").says(format!("{group} Empty")),
        groups(format!("--describe --group {group}"))
            .says("has no active members")
            .says(format!("{group} {t} 0 {RECORDS} {RECORDS} 0 - - -")),
    ]
}

/// Its offsets, set and looked at.
fn moved(t: &str, protocol: &str) -> Vec<Call> {
    let group = format!("{t}-{protocol}");
    let reset = |args: &str, offset: u32| {
        groups(format!("--reset-offsets --group {group} --topic {t} {args}"))
            .says(format!("{group} {t} 0 {offset}"))
    };
    vec![
        reset("--to-earliest --execute", 0),
        reset("--shift-by 5 --dry-run", 5),
        reset("--to-offset 7 --execute", 7),
        groups(format!("--describe --group {group} --offsets --verbose"))
            .says(format!("{group} {t} 0 - 7 {RECORDS} {} - - -", RECORDS - 7)),
    ]
}

fn more_ways(t: &str) -> Vec<Call> {
    let group = format!("{t}-classic");
    let reset = |args: &str| groups(format!("--reset-offsets --group {group} {args}"));
    vec![
        reset(&format!("--topic {t} --to-datetime 2020-01-01T00:00:00.000 --dry-run"))
            .says(format!("{group} {t} 0 0")),
        reset(&format!("--topic {t}:0 --by-duration P1D --execute"))
            .says(format!("{group} {t} 0 0")),
        reset(&format!("--topic {t} --to-current --export --dry-run")).says(format!("{t},0,0")),
        reset("--all-topics --to-latest --execute").says(format!("{group} {t} 0 {RECORDS}")),
        groups(format!("--describe --group {group} --state")).says("Empty 0"),
        Call::new("GroupsCommand", "--list")
            .says(format!("{group} Classic consumer"))
            .says(format!("{t}-consumer Consumer consumer")),
        groups(format!("--describe --group {t}-x")).refuses("GroupIdNotFoundException"),
    ]
}

/// A member that reads: what is shown of it, and what is refused because of it.
fn members(tools: &Tools<'_>, report: &mut Report, t: &str) -> Result<()> {
    let group = format!("{t}-member");
    let endless = format!("--topic {t} --group-id {group} --reset-policy earliest");
    let member = tools.begin(&Call::new("VerifiableConsumer", endless))?;
    let stable = groups(format!("--describe --group {group} --state")).says("range Stable 1");
    if !report.until(tools, &stable, LOOKS) {
        return Err(Failure::new("it never became stable"));
    }
    let reset = format!("--reset-offsets --to-earliest --execute --group {group} --topic {t}");
    report.calls(
        tools,
        &[
            groups("--list --state stable").says(format!("{group} Stable")),
            groups(format!("--describe --group {group} --members --verbose"))
                .says(format!("{t}:0"))
                .says("/127.0.0.1"),
            groups(reset).refuses("Assignments can only be reset if the group"),
            groups(format!("--delete --group {group}")).refuses("GroupNotEmptyException"),
            groups(format!("--delete-offsets --group {group} --topic {t}"))
                .refuses("GroupSubscribedToTopicException"),
        ],
    );
    told_alike(tools, report, &group);
    drop(member);
    Ok(())
}

fn gone(t: &str, protocol: &str) -> Vec<Call> {
    let group = format!("{t}-{protocol}");
    vec![
        groups(format!("--delete-offsets --group {group} --topic {t}"))
            .says(format!("{t} 0 Successful")),
        groups(format!("--describe --group {group}")).never_says(format!("{group} {t}")),
        groups(format!("--delete --group {group}")).says("was successful"),
        groups("--list").never_says(&group),
        groups(format!("--delete --group {group}")).refuses("GroupIdNotFoundException"),
    ]
}
