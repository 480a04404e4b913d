//! Pure: APIs and error codes under their names, as rules and the log of requests write them.

use klamm_protocol::api_key::ApiKey;
use klamm_protocol::error_code::ErrorCode;

/// Kafka's name of an API, such as `CreateTopics`.
pub(crate) fn of_api(api: ApiKey) -> String {
    format!("{api:?}")
}

/// The API of this name; case, hyphens and underscores do not matter.
pub(crate) fn api(name: &str) -> Option<ApiKey> {
    let plain = plain(name);
    ApiKey::ALL.iter().copied().find(|&api| self::plain(&of_api(api)) == plain)
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}

/// Kafka's name of an error, or its number when it has none here.
pub(crate) fn of_error(code: ErrorCode) -> String {
    code.name().map_or_else(|| code.0.to_string(), str::to_owned)
}

/// The error of this name or number.
pub(crate) fn error(name: &str) -> Option<ErrorCode> {
    let named = || ErrorCode::table().iter().find(|row| row.1.eq_ignore_ascii_case(name));
    match name.parse() {
        Ok(code) => Some(ErrorCode(code)),
        Err(_) => named().map(|row| ErrorCode(row.0)),
    }
}

/// An API in a rule's JSON.
pub(super) mod json_api {
    use klamm_protocol::api_key::ApiKey;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::{Serialize, Serializer};

    pub(in crate::fault) fn serialize<S: Serializer>(
        api: &Option<ApiKey>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        api.map(super::of_api).serialize(serializer)
    }

    pub(in crate::fault) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<ApiKey>, D::Error> {
        let Some(name) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let unknown = || D::Error::custom(format!("api {name:?} is none of Kafka's"));
        super::api(&name).ok_or_else(unknown).map(Some)
    }
}

/// An error code in a rule's JSON: a name, or a number.
pub(super) mod json_error {
    use klamm_protocol::error_code::ErrorCode;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Given {
        Code(i16),
        Name(String),
    }

    pub(in crate::fault) fn serialize<S: Serializer>(
        code: &ErrorCode,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::of_error(*code))
    }

    pub(in crate::fault) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ErrorCode, D::Error> {
        match Given::deserialize(deserializer)? {
            Given::Code(code) => Ok(ErrorCode(code)),
            Given::Name(name) => super::error(&name)
                .ok_or_else(|| D::Error::custom(format!("error {name:?} is none of Kafka's"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{api, error, of_api};
    use klamm_protocol::api_key::ApiKey;
    use klamm_protocol::error_code::ErrorCode;

    #[test]
    fn every_api_is_found_by_its_name_in_any_spelling() {
        for &key in ApiKey::ALL {
            assert_eq!(api(&of_api(key)), Some(key));
            assert_eq!(api(&of_api(key).to_uppercase()), Some(key));
        }
        assert_eq!(api("create-topics"), Some(ApiKey::CreateTopics));
        assert_eq!(api("create_topics"), Some(ApiKey::CreateTopics));
        assert_eq!(api("creates"), None);
    }

    #[test]
    fn errors_have_names_and_numbers() {
        assert_eq!(error("not_leader_or_follower"), Some(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        assert_eq!(error("6"), Some(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        assert_eq!(error("-1"), Some(ErrorCode::UNKNOWN_SERVER_ERROR));
        assert_eq!(error("OOPS"), None);
    }
}
