//! CreateAcls (30), versions 1-3.
//!
//! - 2: flexible; 3: the resource type USER (KIP-373).
//!
//! Making an ACL that is there succeeds and changes nothing.

use super::{Answer, Context, Handle};
use crate::security::acl::{Acl, Entry, PatternType, Permission, ResourcePattern};
use crate::security::{AclError, Operation, ResourceType};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::create_acls_request::AclCreation;
use klamm_protocol::message::create_acls_response::AclCreationResult;
use klamm_protocol::message::{CreateAclsRequest, CreateAclsResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

impl Handle for CreateAclsRequest {
    const SERVED: RangeInclusive<i16> = 1..=3;

    async fn handle(self, cx: Context) -> Answer<CreateAclsResponse> {
        if !cx.authorize_cluster(Operation::Alter) {
            return Ok(self.refuse(&cx, ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
        }
        let security = &cx.cluster.security;
        if !security.has_authorizer() {
            return Ok(self.refuse(&cx, ErrorCode::SECURITY_DISABLED));
        }
        let acls = self.creations.iter().map(read).collect();
        let results = match security.add_acls(acls, |changes| cx.record(changes)) {
            Ok((results, written)) => cx.recorded(written).await.map(|()| results),
            Err(code) => Err(code),
        };
        Ok(match results {
            Ok(results) => CreateAclsResponse {
                results: results.into_iter().map(result).collect(),
                ..CreateAclsResponse::default()
            },
            Err(code) => self.refuse(&cx, code),
        })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> CreateAclsResponse {
        let result = AclCreationResult {
            error_code: code.0,
            error_message: Some(Str::from_static(code.meaning())),
        };
        CreateAclsResponse {
            results: vec![result; self.creations.len()],
            ..CreateAclsResponse::default()
        }
    }
}

fn read(creation: &AclCreation) -> Result<Acl, AclError> {
    let resource = ResourceType::from_i8(creation.resource_type);
    let pattern = PatternType::from_i8(creation.resource_pattern_type);
    let operation = Operation::from_i8(creation.operation);
    let permission = Permission::from_i8(creation.permission_type);
    Ok(Acl {
        on: ResourcePattern {
            resource: resource.ok_or(AclError::Unknown("the resource type"))?,
            pattern: pattern.ok_or(AclError::Unknown("the pattern type"))?,
            name: creation.resource_name.to_string(),
        },
        entry: Entry {
            principal: creation.principal.to_string(),
            host: creation.host.to_string(),
            operation: operation.ok_or(AclError::Unknown("the operation"))?,
            permission: permission.ok_or(AclError::Unknown("the permission type"))?,
        },
    })
}

fn result(done: Result<(), AclError>) -> AclCreationResult {
    let Err(error) = done else { return AclCreationResult::default() };
    let code = match error {
        AclError::TooMany => ErrorCode::POLICY_VIOLATION,
        _ => ErrorCode::INVALID_REQUEST,
    };
    AclCreationResult { error_code: code.0, error_message: Some(Str::from(error.to_string())) }
}
