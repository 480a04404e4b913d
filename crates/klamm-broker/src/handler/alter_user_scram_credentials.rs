//! AlterUserScramCredentials (51), version 0 (KIP-554): users and their passwords while the broker runs.
//!
//! What it sets stands above what the settings give, also after a restart. Users are kept also while no listener asks for
//! passwords.

use super::{Answer, Context, Handle};
use crate::security::credential::{Credential, CredentialError, Hash, MIN_ITERATIONS};
use crate::security::{Operation, UserChange};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use klamm_protocol::message::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use klamm_protocol::message::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
};
use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Kafka takes no more from a client.
const MAX_ITERATIONS: u32 = 16_384;

/// Names of users are not longer, in bytes.
const MAX_NAME_BYTES: usize = 1_024;

type Refused = (ErrorCode, &'static str);

const TWICE: Refused = (
    ErrorCode::DUPLICATE_RESOURCE,
    "A user credential cannot be altered twice in the same request",
);

impl Handle for AlterUserScramCredentialsRequest {
    const SERVED: RangeInclusive<i16> = 0..=0;

    async fn handle(self, cx: Context) -> Answer<AlterUserScramCredentialsResponse> {
        if !cx.authorize_cluster(Operation::Alter) {
            return Ok(self.refuse(&cx, ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
        }
        let asked = checked(&cx, &self);
        let changes = asked.values().filter_map(|asked| asked.as_ref().ok().cloned()).collect();
        let written = cx.cluster.security.change_users(changes, |changes| cx.record(changes));
        let written = match written {
            Ok(written) => cx.recorded(written).await,
            Err(code) => Err(code),
        };
        if let Err(code) = written {
            return Ok(self.refuse(&cx, code));
        }
        let results = asked.into_iter().map(|(user, asked)| result(user, asked.err()));
        Ok(AlterUserScramCredentialsResponse { results: results.collect(), ..Default::default() })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> AlterUserScramCredentialsResponse {
        let deletions = self.deletions.iter().map(|deletion| &deletion.name);
        let names = deletions.chain(self.upsertions.iter().map(|upsertion| &upsertion.name));
        let mut names: Vec<String> = names.map(|name| name.to_string()).collect();
        names.sort_unstable();
        names.dedup();
        let results = names.into_iter().map(|name| result(name, Some((code, code.meaning()))));
        AlterUserScramCredentialsResponse { results: results.collect(), ..Default::default() }
    }
}

/// What is to be done, by user; or why it is not.
type Asked = BTreeMap<String, Result<UserChange, Refused>>;

fn checked(cx: &Context, request: &AlterUserScramCredentialsRequest) -> Asked {
    let mut asked = Asked::new();
    let deletions = request.deletions.iter().map(|d| (d.name.to_string(), delete(cx, d)));
    let upsertions = request.upsertions.iter().map(|u| (u.name.to_string(), upsert(cx, u)));
    for (user, change) in deletions.chain(upsertions) {
        asked
            .entry(user)
            .and_modify(|change| {
                // The first thing wrong is what is reported.
                if change.is_ok() {
                    *change = Err(TWICE);
                }
            })
            .or_insert(change);
    }
    asked
}

fn delete(cx: &Context, asked: &ScramCredentialDeletion) -> Result<UserChange, Refused> {
    let hash = named(&asked.name, asked.mechanism)?;
    if !cx.cluster.security.users.has(&asked.name, hash) {
        return Err((
            ErrorCode::RESOURCE_NOT_FOUND,
            "Attempt to delete a user credential that does not exist",
        ));
    }
    Ok(UserChange { user: asked.name.to_string(), hash, credential: None })
}

fn upsert(cx: &Context, asked: &ScramCredentialUpsertion) -> Result<UserChange, Refused> {
    let hash = named(&asked.name, asked.mechanism)?;
    let unacceptable = |why| (ErrorCode::UNACCEPTABLE_CREDENTIAL, why);
    let iterations = u32::try_from(asked.iterations).unwrap_or(0);
    if iterations < MIN_ITERATIONS {
        return Err(unacceptable("Too few iterations"));
    }
    if iterations > MAX_ITERATIONS {
        return Err(unacceptable("Too many iterations"));
    }
    if !cx.cluster.security.users.has_room_for(&asked.name) {
        return Err((ErrorCode::POLICY_VIOLATION, "there are too many users"));
    }
    let credential = Credential::from_salted(hash, &asked.salted_password, &asked.salt, iterations);
    let credential = credential.map_err(|error| {
        unacceptable(match error {
            CredentialError::Salt => "the salt is empty or too long",
            _ => "the salted password is empty or too long",
        })
    })?;
    Ok(UserChange { user: asked.name.to_string(), hash, credential: Some(credential) })
}

fn named(name: &str, mechanism: i8) -> Result<Hash, Refused> {
    if name.is_empty() {
        return Err((ErrorCode::UNACCEPTABLE_CREDENTIAL, "Username must not be empty"));
    }
    if name.len() > MAX_NAME_BYTES {
        return Err((ErrorCode::UNACCEPTABLE_CREDENTIAL, "the username is too long"));
    }
    let unknown = (ErrorCode::UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism");
    Hash::from_i8(mechanism).ok_or(unknown)
}

fn result(user: String, refused: Option<Refused>) -> AlterUserScramCredentialsResult {
    let (code, message) = refused.unzip();
    AlterUserScramCredentialsResult {
        user: Str::from(user),
        error_code: code.unwrap_or(ErrorCode::NONE).0,
        error_message: message.map(Str::from_static),
    }
}
