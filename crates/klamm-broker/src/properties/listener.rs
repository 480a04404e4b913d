//! Pure: `listeners`, `advertised.listeners` and `listener.security.protocol.map`.

use super::error::PropertiesError;

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Protocol {
    pub(super) tls: bool,
    pub(super) sasl: bool,
}

impl Protocol {
    fn parse(name: &str) -> Option<Self> {
        let (tls, sasl) = match name.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => (false, false),
            "SSL" => (true, false),
            "SASL_PLAINTEXT" => (false, true),
            "SASL_SSL" => (true, true),
            _ => return None,
        };
        Some(Self { tls, sasl })
    }
}

/// The listener that clients use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) name: String,
    /// Empty: every interface.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) protocol: Protocol,
    /// What clients are told, when it is not the same.
    pub(super) advertised: Option<(String, u16)>,
}

/// The texts of the settings, empty where they are not set.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Texts<'a> {
    pub(super) listeners: &'a str,
    pub(super) advertised: &'a str,
    pub(super) protocols: &'a str,
    pub(super) controllers: &'a str,
}

/// The one listener that is not a controller's.
///
/// # Errors
/// [`PropertiesError`] for none, for several, and for what cannot be read.
pub(super) fn choose(texts: Texts<'_>) -> Result<Listener, PropertiesError> {
    let controllers: Vec<&str> = items(texts.controllers).collect();
    let is_controller = |name: &str| controllers.iter().any(|c| c.eq_ignore_ascii_case(name));
    let all = endpoints("listeners", texts.listeners)?;
    let mut ours: Vec<Endpoint> = all.into_iter().filter(|e| !is_controller(&e.name)).collect();
    if ours.len() > 1 {
        let names: Vec<&str> = ours.iter().map(|e| e.name.as_str()).collect();
        return Err(PropertiesError::SeveralListeners(names.join(", ")));
    }
    let Some(Endpoint { name, host, port }) = ours.pop() else {
        return Err(refuse("listeners", texts.listeners, "has none for clients"));
    };
    let mut advertised = endpoints("advertised.listeners", texts.advertised)?;
    advertised.retain(|endpoint| endpoint.name.eq_ignore_ascii_case(&name));
    let advertised = advertised.pop().map(|endpoint| (endpoint.host, endpoint.port));
    if advertised.as_ref().is_some_and(|(host, _)| host.is_empty() || host == "0.0.0.0") {
        let why = "tells clients no address that they can connect to";
        return Err(refuse("advertised.listeners", texts.advertised, why));
    }
    let protocol = protocol_of(&name, texts.protocols)?;
    Ok(Listener { name, host, port, protocol, advertised })
}

fn protocol_of(name: &str, map: &str) -> Result<Protocol, PropertiesError> {
    for item in items(map) {
        let known = item.split_once(':').filter(|(listener, _)| !listener.is_empty());
        let (listener, protocol) = known.ok_or_else(|| {
            refuse("listener.security.protocol.map", item, "is not NAME:PROTOCOL")
        })?;
        if listener.trim().eq_ignore_ascii_case(name) {
            let unknown = "is none of PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL";
            return Protocol::parse(protocol.trim())
                .ok_or_else(|| refuse("listener.security.protocol.map", item, unknown));
        }
    }
    let why = "has a name that listener.security.protocol.map does not map to a protocol";
    Protocol::parse(name).ok_or_else(|| refuse("listeners", name, why))
}

struct Endpoint {
    name: String,
    host: String,
    port: u16,
}

fn endpoints(setting: &'static str, text: &str) -> Result<Vec<Endpoint>, PropertiesError> {
    let read = |item: &str| {
        let wrong = || refuse(setting, item, "is not NAME://HOST:PORT");
        let (name, address) = item.split_once("://").ok_or_else(wrong)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = port.parse().map_err(|_| wrong())?;
        if name.is_empty() {
            Err(wrong())
        } else {
            Ok(Endpoint { name: name.to_owned(), host, port })
        }
    };
    items(text).map(read).collect()
}

/// What stands between commas.
pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn refuse(setting: &'static str, value: &str, why: &str) -> PropertiesError {
    PropertiesError::Listener { setting, value: value.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_of_clients_is_found_among_those_of_a_cluster() {
        let stock = Texts {
            listeners: "PLAINTEXT://:9092,CONTROLLER://:9093",
            advertised: "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
            protocols: "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL",
            controllers: "CONTROLLER",
        };
        let expected = Listener {
            name: "PLAINTEXT".to_owned(),
            host: String::new(),
            port: 9092,
            protocol: Protocol { tls: false, sasl: false },
            advertised: Some(("localhost".to_owned(), 9092)),
        };
        assert_eq!(choose(stock).unwrap(), expected);
        let secure = Texts {
            listeners: "external://[::1]:0",
            protocols: "EXTERNAL:SASL_SSL",
            ..Texts::default()
        };
        let secure = choose(secure).unwrap();
        assert_eq!((secure.host.as_str(), secure.port, secure.advertised), ("::1", 0, None));
        assert_eq!(secure.protocol, Protocol { tls: true, sasl: true });
    }

    #[test]
    fn what_cannot_be_one_listener_is_refused() {
        let texts = |listeners, advertised, protocols| Texts {
            listeners,
            advertised,
            protocols,
            controllers: "C",
        };
        for (texts, says) in [
            (texts("PLAINTEXT://a:1,SSL://a:2", "", ""), "PLAINTEXT, SSL are 2"),
            (texts("C://a:1", "", ""), "none for clients"),
            (texts("PLAINTEXT://a", "", ""), "NAME://HOST:PORT"),
            (texts("PLAINTEXT:a:1", "", ""), "NAME://HOST:PORT"),
            (texts("PLAINTEXT://a:99999", "", ""), "NAME://HOST:PORT"),
            (texts("://a:1", "", ""), "NAME://HOST:PORT"),
            (texts("EXTERNAL://a:1", "", ""), "listener.security.protocol.map"),
            (texts("EXTERNAL://a:1", "", "EXTERNAL:TLS"), "none of PLAINTEXT"),
            (texts("EXTERNAL://a:1", "", "EXTERNAL"), "NAME:PROTOCOL"),
            (texts("PLAINTEXT://a:1", "PLAINTEXT://0.0.0.0:1", ""), "no address"),
        ] {
            let error = choose(texts).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
