//! DescribeAcls (29), versions 1-3.
//!
//! - 2: flexible; 3: the resource type USER (KIP-373).

use super::{Answer, Context, Handle};
use crate::security::Operation;
use crate::security::acl::{Acl, Filter, FilterFields, ResourcePattern};
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::describe_acls_response::{AclDescription, DescribeAclsResource};
use klamm_protocol::message::{DescribeAclsRequest, DescribeAclsResponse};
use klamm_protocol::primitives::Str;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// What an answer says when ACLs are not in use.
pub(super) const NO_AUTHORIZER: &str = "No Authorizer is configured on the broker";

impl Handle for DescribeAclsRequest {
    const SERVED: RangeInclusive<i16> = 1..=3;

    async fn handle(self, cx: Context) -> Answer<DescribeAclsResponse> {
        if !cx.authorize_cluster(Operation::Describe) {
            return Ok(self.refuse(&cx, ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
        }
        if !cx.cluster.security.has_authorizer() {
            return Ok(failed(ErrorCode::SECURITY_DISABLED, NO_AUTHORIZER));
        }
        let filter = Filter::read(FilterFields {
            resource: self.resource_type_filter,
            name: self.resource_name_filter.as_deref(),
            pattern: self.pattern_type_filter,
            principal: self.principal_filter.as_deref(),
            host: self.host_filter.as_deref(),
            operation: self.operation,
            permission: self.permission_type,
        });
        Ok(match filter {
            Ok(filter) => described(cx.cluster.security.acls(&filter)),
            Err(field) => {
                failed(ErrorCode::INVALID_REQUEST, &format!("a {field} that nobody knows"))
            }
        })
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> DescribeAclsResponse {
        failed(code, code.meaning())
    }
}

fn failed(code: ErrorCode, message: &str) -> DescribeAclsResponse {
    DescribeAclsResponse {
        error_code: code.0,
        error_message: Some(Str::from(message)),
        ..DescribeAclsResponse::default()
    }
}

fn described(acls: Vec<Acl>) -> DescribeAclsResponse {
    let mut by_resource: BTreeMap<ResourcePattern, Vec<AclDescription>> = BTreeMap::new();
    for Acl { on, entry } in acls {
        by_resource.entry(on).or_default().push(AclDescription {
            principal: Str::from(entry.principal),
            host: Str::from(entry.host),
            operation: entry.operation as i8,
            permission_type: entry.permission as i8,
        });
    }
    let resources = by_resource.into_iter().map(|(on, acls)| DescribeAclsResource {
        resource_type: on.resource as i8,
        resource_name: Str::from(on.name),
        pattern_type: on.pattern as i8,
        acls,
    });
    DescribeAclsResponse { resources: resources.collect(), ..DescribeAclsResponse::default() }
}
