//! DescribeUserScramCredentials (50), version 0 (KIP-554).

use super::{Answer, Context, Handle};
use crate::security::Operation;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult as Described,
};
use klamm_protocol::message::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
};
use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

impl Handle for DescribeUserScramCredentialsRequest {
    const SERVED: RangeInclusive<i16> = 0..=0;

    async fn handle(self, cx: Context) -> Answer<DescribeUserScramCredentialsResponse> {
        if !cx.authorize_cluster(Operation::Describe) {
            return Ok(self.refuse(&cx, ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
        }
        // Users by how often they are asked for.
        let mut asked: BTreeMap<String, usize> = BTreeMap::new();
        match &self.users {
            Some(users) if !users.is_empty() => {
                for user in users {
                    *asked.entry(user.name.to_string()).or_default() += 1;
                }
            }
            _ => {
                let all = cx.cluster.security.users.names();
                asked.extend(all.into_iter().map(|name| (name, 1)));
            }
        }
        let results = asked.into_iter().map(|(user, times)| describe(&cx, user, times));
        Ok(DescribeUserScramCredentialsResponse {
            results: results.collect(),
            ..DescribeUserScramCredentialsResponse::default()
        })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DescribeUserScramCredentialsResponse {
        DescribeUserScramCredentialsResponse {
            error_code: code.0,
            error_message: Some(Str::from_static(code.meaning())),
            ..DescribeUserScramCredentialsResponse::default()
        }
    }
}

fn describe(cx: &Context, user: String, times: usize) -> Described {
    let known = cx.cluster.security.users.describe(&user);
    let (code, why) = match &known {
        _ if times > 1 => (
            ErrorCode::DUPLICATE_RESOURCE,
            Some(format!(
                "Cannot describe SCRAM credentials for the same user twice in a single request: {user}"
            )),
        ),
        None => (
            ErrorCode::RESOURCE_NOT_FOUND,
            Some(format!("Attempt to describe a user credential that does not exist: {user}")),
        ),
        Some(_) => (ErrorCode::NONE, None),
    };
    let infos = known.filter(|_| code.is_ok()).into_iter().flatten();
    let infos = infos.map(|(hash, iterations)| CredentialInfo {
        mechanism: hash as i8,
        iterations: i32::try_from(iterations).unwrap_or(i32::MAX),
    });
    Described {
        user: Str::from(user),
        error_code: code.0,
        error_message: why.map(Str::from),
        credential_infos: infos.collect(),
    }
}
