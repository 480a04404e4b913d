//! Users, passwords and ACLs, on a broker that asks for them.

use std::path::{Path, PathBuf};

use super::call::{Call, Tools};
use super::report::Report;
use crate::failure::{Doing, Result};

/// The user that may do everything, and its password.
const ADMIN: [&str; 2] = ["admin", "admin-secret"];
/// The one that is made, and may do what it is let.
const ALICE: [&str; 2] = ["alice", "alice-secret"];

/// The file of `klamm broker --users`.
pub(super) fn users_file(dir: &Path) -> Result<PathBuf> {
    let file = dir.join("users");
    std::fs::write(&file, format!("{}\n", ADMIN.join(":"))).doing(file.display())?;
    Ok(file)
}

/// Makes a user, lets it write and read one topic, and takes all of it back.
pub(super) fn check(tools: &Tools<'_>, report: &mut Report) {
    let as_user = |user| client(&tools.scratch(user)).map(|file| tools.configured(&file));
    match as_user(ADMIN[0]).and_then(|admin| Ok((admin, as_user(ALICE[0])?))) {
        Ok((admin, alice)) => {
            report.calls(&admin, &made());
            report.calls(&alice, &refused());
            report.calls(&admin, &allowed());
            report.calls(&alice, &used());
            report.calls(&admin, &taken());
            report.calls(&alice, &[list().refuses("SaslAuthenticationException")]);
        }
        Err(failure) => drop(report.take("settings of clients", Err(failure))),
    }
}

/// Writes the settings by which the user that `file` is called like logs in.
fn client(file: &Path) -> Result<PathBuf> {
    let name = file.file_name().unwrap_or_default();
    let (mechanism, login, [user, password]) = match name.to_str() == Some(ADMIN[0]) {
        true => ("PLAIN", "plain.PlainLoginModule", ADMIN),
        false => ("SCRAM-SHA-512", "scram.ScramLoginModule", ALICE),
    };
    let text = format!(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism={mechanism}\n\
         sasl.jaas.config=org.apache.kafka.common.security.{login} required \
         username=\"{user}\" password=\"{password}\";\n"
    );
    let file = file.with_extension("properties");
    std::fs::write(&file, text).doing(file.display())?;
    Ok(file)
}

const TOPIC: &str = "tools-security";

fn list() -> Call {
    Call::new("TopicCommand", "--list")
}

fn users(args: &str) -> Call {
    let [alice, _] = ALICE;
    Call::new(
        "kafka.admin.ConfigCommand",
        format!("{args} --entity-type users --entity-name {alice}"),
    )
}

fn made() -> Vec<Call> {
    let [_, password] = ALICE;
    let scram = format!("SCRAM-SHA-512=[iterations=8192,password={password}]");
    vec![
        Call::new("TopicCommand", format!("--create --topic {TOPIC} --partitions 1"))
            .says("Created"),
        users(&format!("--alter --add-config {scram}"))
            .says("Completed updating config for user alice"),
        users("--describe").says("SCRAM-SHA-512=iterations=8192"),
        Call::new("AclCommand", "--list").never_says("User:"),
    ]
}

fn refused() -> Vec<Call> {
    let offsets = Call::new("GetOffsetShell", format!("--topic {TOPIC}"));
    vec![
        list().never_says(TOPIC),
        offsets.refuses("Could not match any topic-partitions"),
        Call::new("TopicCommand", "--create --topic own --partitions 1")
            .refuses("AuthorizationException"),
        Call::new("AclCommand", "--list").refuses("ClusterAuthorizationException"),
    ]
}

fn allowed() -> Vec<Call> {
    let acl = |args: &str| Call::new("AclCommand", format!("{args} --topic {TOPIC}"));
    vec![
        acl("--add --allow-principal User:alice --producer").says("operation=WRITE"),
        acl("--add --allow-principal User:alice --consumer --group *").says("operation=READ"),
        acl("--list").says("(principal=User:alice, host=*, operation=READ, permissionType=ALLOW)"),
    ]
}

fn used() -> Vec<Call> {
    let read = "--from-beginning --max-messages 1 --timeout-ms 30000 --group any";
    vec![
        list().says(TOPIC),
        Call::new("ConsoleProducer", format!("--topic {TOPIC}")).input("let\n"),
        Call::new("consumer.ConsoleConsumer", format!("--topic {TOPIC} {read}")).says("let"),
        Call::new("TopicCommand", format!("--delete --topic {TOPIC}"))
            .refuses("TopicAuthorizationException"),
    ]
}

fn taken() -> Vec<Call> {
    let remove = format!("--remove --force --topic {TOPIC}");
    vec![
        Call::new("AclCommand", &remove),
        Call::new("AclCommand", format!("--list --topic {TOPIC}")).never_says("User:alice"),
        users("--alter --delete-config SCRAM-SHA-512").says("Completed updating"),
        users("--describe").never_says("iterations"),
    ]
}
