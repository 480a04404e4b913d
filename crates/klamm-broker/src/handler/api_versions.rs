//! ApiVersions (18), versions 0-4: what this broker speaks.
//!
//! - 3: flexible; carries features (KIP-584); the client says what software it is (KIP-511).
//! - 4: a feature may start at level 0.
//!
//! The ranges are those of the release the broker acts as. A version nobody knows is answered in the layout of version
//! 0 with UNSUPPORTED_VERSION and the range of this API, which is how clients step down.

use super::{Answer, Context, Handle, Outcome};
use crate::release::Release;
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::message::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use klamm_protocol::message::{ApiVersionsRequest, ApiVersionsResponse};
use klamm_protocol::primitives::Str;
use std::ops::RangeInclusive;

/// The level of 3.3-IV3, the lowest that Kafka 4 knows.
const OLDEST_METADATA: i16 = 7;

impl Handle for ApiVersionsRequest {
    const SERVED: RangeInclusive<i16> = 0..=4;

    async fn handle(self, cx: Context) -> Answer<ApiVersionsResponse> {
        if cx.version >= 3
            && !(names_software(&self.client_software_name)
                && names_software(&self.client_software_version))
        {
            return Ok(self.refuse(&cx, ErrorCode::INVALID_REQUEST));
        }
        Ok(table(cx.cluster.release, cx.version))
    }

    fn refuse(&self, _: &Context, code: ErrorCode) -> ApiVersionsResponse {
        ApiVersionsResponse { error_code: code.0, ..ApiVersionsResponse::default() }
    }
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`, as KIP-511 has it.
fn names_software(name: &str) -> bool {
    let bytes = name.as_bytes();
    let inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric)) && bytes.iter().all(inner)
}

fn table(release: Release, version: i16) -> ApiVersionsResponse {
    let rows = super::APIS.iter().filter_map(|&api| {
        let range = release.advertised(api)?;
        Some(ApiVersion {
            api_key: api as i16,
            min_version: *range.start(),
            max_version: *range.end(),
        })
    });
    let mut response =
        ApiVersionsResponse { api_keys: rows.collect(), ..ApiVersionsResponse::default() };
    let features = release.features();
    if version >= 3 && !features.is_empty() {
        // Before version 4 a feature must not start at 0: clients of that time took it for an error (KAFKA-17011).
        response.supported_features = features.iter().map(supported).collect();
        response.finalized_features = features.iter().map(finalized).collect();
        response.finalized_features_epoch = 0;
    }
    response
}

fn supported(&(name, level): &(&'static str, i16)) -> SupportedFeatureKey {
    // Levels of metadata below that of 3.3 have no name any more that a tool could print.
    let min_version = if name == "metadata.version" { OLDEST_METADATA } else { 1 };
    SupportedFeatureKey { name: Str::from_static(name), min_version, max_version: level }
}

fn finalized(&(name, level): &(&'static str, i16)) -> FinalizedFeatureKey {
    FinalizedFeatureKey {
        name: Str::from_static(name),
        max_version_level: level,
        min_version_level: level,
    }
}

/// The answer to a version this broker does not know.
pub(super) fn unknown_version(cx: Context, correlation_id: i32) -> Outcome {
    let mut response = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION.0,
        ..ApiVersionsResponse::default()
    };
    if let Some(range) = cx.cluster.release.advertised(ApiKey::ApiVersions) {
        let (min_version, max_version) = (*range.start(), *range.end());
        response.api_keys.push(ApiVersion {
            api_key: ApiKey::ApiVersions as i16,
            min_version,
            max_version,
        });
    }
    super::finish::<ApiVersionsRequest>(&response, 0, correlation_id)
}

#[cfg(test)]
mod tests {
    use super::{names_software, table};
    use crate::release::Release;
    use klamm_protocol::message::ApiVersionsResponse;
    use klamm_protocol::primitives::{Decoder, Encoder, Message};

    /// librdkafka up to 2.1 reads the end of tagged fields one byte short when one has its default.
    #[test]
    fn no_tagged_field_carries_its_default() {
        for release in [Release::V2_8, Release::V3_9, Release::V4_3] {
            let response = table(release, 3);
            let mut e = Encoder::new();
            response.encode(&mut e, 3).unwrap();
            let decoded =
                ApiVersionsResponse::decode(&mut Decoder::new(e.into_bytes()), 3).unwrap();
            let features = !decoded.supported_features.is_empty();
            assert_eq!(decoded.finalized_features_epoch >= 0, features, "{release:?}");
            assert!(decoded.supported_features.iter().all(|feature| feature.min_version > 0));
        }
    }

    #[test]
    fn software_is_named_as_the_protocol_asks() {
        for good in ["apache-kafka-java", "4.3.0", "a"] {
            assert!(names_software(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "ä"] {
            assert!(!names_software(bad), "{bad}");
        }
    }
}
