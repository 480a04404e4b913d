//! Pure: `[tokens]`: JSON Web Tokens.

use super::auth::{text, texts};
use super::key::{Key, Takes};
use super::settings::GatewayConfig;
use crate::guard::{Algorithm, KeySource, TokenConfig};
use std::path::PathBuf;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Keys of `[tokens]`.
pub(super) const TOKENS: &[Key<GatewayConfig>] = &[
    Key {
        name: "issuer",
        default: "-",
        takes: Takes::Other("a text", |config, given| {
            tokens(config).issuer = text(given).filter(|issuer| !issuer.is_empty())?.to_owned();
            Some(())
        }),
        doc: "Who has to have made them: `iss`, to the letter.",
    },
    Key {
        name: "audience",
        default: "-",
        takes: Takes::Other("a text, or a list of them", |config, given| {
            tokens(config).audiences = match text(given) {
                Some(one) => vec![one.to_owned()],
                None => texts(given)?,
            };
            Some(())
        }),
        doc: "For whom they have to be: one of these has to be in `aud`.",
    },
    Key {
        name: "keys",
        default: "\"openid\"",
        takes: Takes::Other("openid, a URL, or a file", |config, given| {
            let tokens = tokens(config);
            let ca = match &tokens.keys {
                KeySource::Url { ca, .. } | KeySource::OpenId { ca } => ca.clone(),
                KeySource::File(_) => None,
            };
            tokens.keys = match text(given)? {
                "openid" => KeySource::OpenId { ca },
                "" => return None,
                url if url.contains("://") => KeySource::Url { url: url.parse().ok()?, ca },
                path => KeySource::File(PathBuf::from(path)),
            };
            Some(())
        }),
        doc: "Where the issuer's public keys are: a JWK set at an https:// URL or in a file, or where the issuer's OpenID \
              configuration says.",
    },
    Key {
        name: "ca",
        default: "-",
        takes: Takes::Other("a file", |config, given| {
            let file = text(given).filter(|path| !path.is_empty()).map(PathBuf::from)?;
            match &mut tokens(config).keys {
                KeySource::Url { ca, .. } | KeySource::OpenId { ca } => *ca = Some(file),
                KeySource::File(_) => {}
            }
            Some(())
        }),
        doc: "Whose certificates are trusted where the keys are, as PEM. Without it: whom the system trusts.",
    },
    Key {
        name: "algorithms",
        default: "-",
        takes: Takes::Other(
            "a list of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
            |config, given| {
                let all = texts(given)?;
                let all = all.iter().map(|name| Algorithm::of(name)).collect::<Option<Vec<_>>>()?;
                tokens(config).algorithms = all;
                Some(())
            },
        ),
        doc: "Which signatures count. Without it: all of these.",
    },
    Key {
        name: "leeway",
        default: "\"1 m\"",
        takes: Takes::Time(Duration::ZERO, HOUR, |config, time| tokens(config).leeway = time),
        doc: "How far the issuer's clock may differ.",
    },
    Key {
        name: "name_claim",
        default: "\"sub\"",
        takes: Takes::Other("a text", |config, given| {
            tokens(config).name_claim = text(given).filter(|name| !name.is_empty())?.to_owned();
            Some(())
        }),
        doc: "The claim that names who sends.",
    },
    Key {
        name: "topics_claim",
        default: "-",
        takes: Takes::Other("a text", |config, given| {
            let name = text(given).filter(|name| !name.is_empty())?;
            tokens(config).topics_claim = Some(name.to_owned());
            Some(())
        }),
        doc: "The claim that lists topics, in a list or with blanks between them: a token is good for those that it lists \
              and its account may use. Without it: for all that its account may use.",
    },
];

/// Those that are there, or new ones with nothing but defaults.
fn tokens(config: &mut GatewayConfig) -> &mut TokenConfig {
    config.guard.tokens.get_or_insert_with(|| {
        let keys = KeySource::OpenId { ca: None };
        TokenConfig { audiences: Vec::new(), ..TokenConfig::new("", "", keys) }
    })
}
