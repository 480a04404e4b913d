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

/// A listener that clients use.
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

/// The listeners that are not a controller's, in their order. Without `listeners` they are those that are advertised, on
/// every interface, as in the images of Confluent; with neither there are none.
///
/// # Errors
/// [`PropertiesError`] for listeners of which all are the controller's, and for what cannot be read.
pub(super) fn read(texts: Texts<'_>) -> Result<Vec<Listener>, PropertiesError> {
    let controllers: Vec<&str> = items(texts.controllers).collect();
    let is_controller = |name: &str| controllers.iter().any(|c| c.eq_ignore_ascii_case(name));
    let ours = |mut endpoints: Vec<Endpoint>| {
        endpoints.retain(|endpoint| !is_controller(&endpoint.name));
        endpoints
    };
    let advertised = ours(endpoints("advertised.listeners", texts.advertised)?);
    let listeners = match texts.listeners {
        "" => advertised.iter().map(Endpoint::everywhere).collect(),
        text => ours(endpoints("listeners", text)?),
    };
    if listeners.is_empty() && !texts.listeners.is_empty() {
        return Err(refuse("listeners", texts.listeners, "has none for clients"));
    }
    let known = |name: &str| listeners.iter().any(|one| one.name == name);
    if let Some(stranger) = advertised.iter().find(|endpoint| !known(&endpoint.name)) {
        return Err(refuse("advertised.listeners", &stranger.name, "is none of listeners"));
    }
    let whole = |one: Endpoint| listener(one, &advertised, texts);
    listeners.into_iter().map(whole).collect()
}

/// A listener with all that is said of it.
fn listener(
    Endpoint { name, host, port }: Endpoint,
    advertised: &[Endpoint],
    texts: Texts<'_>,
) -> Result<Listener, PropertiesError> {
    let advertised = advertised.iter().rfind(|endpoint| endpoint.name == name);
    let advertised = advertised.map(|endpoint| (endpoint.host.clone(), endpoint.port));
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

/// `NAME://HOST:PORT`; the name is in upper case, as Kafka has it.
struct Endpoint {
    name: String,
    host: String,
    port: u16,
}

impl Endpoint {
    /// The same on every interface.
    fn everywhere(&self) -> Self {
        Self { name: self.name.clone(), host: String::new(), port: self.port }
    }
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
            Ok(Endpoint { name: name.to_uppercase(), host, port })
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

    fn one(texts: Texts<'_>) -> Listener {
        let mut listeners = read(texts).unwrap();
        assert_eq!(listeners.len(), 1, "{listeners:?}");
        listeners.remove(0)
    }

    const PLAIN: Protocol = Protocol { tls: false, sasl: false };

    fn listener(name: &str, host: &str, port: u16, told: (&str, u16)) -> Listener {
        Listener {
            name: name.to_owned(),
            host: host.to_owned(),
            port,
            protocol: PLAIN,
            advertised: Some((told.0.to_owned(), told.1)),
        }
    }

    #[test]
    fn the_listener_of_clients_is_found_among_those_of_a_cluster() {
        let stock = Texts {
            listeners: "PLAINTEXT://:9092,CONTROLLER://:9093",
            advertised: "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
            protocols: "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL",
            controllers: "CONTROLLER",
        };
        assert_eq!(one(stock), listener("PLAINTEXT", "", 9092, ("localhost", 9092)));
        let secure = Texts {
            listeners: "external://[::1]:0",
            protocols: "EXTERNAL:SASL_SSL",
            ..Texts::default()
        };
        let secure = one(secure);
        assert_eq!((secure.host.as_str(), secure.port, secure.advertised), ("::1", 0, None));
        assert_eq!(secure.protocol, Protocol { tls: true, sasl: true });
    }

    #[test]
    fn there_may_be_several() {
        let compose = Texts {
            listeners: "INTERNAL://0.0.0.0:29092,EXTERNAL://0.0.0.0:9092,CONTROLLER://:9093",
            advertised: "internal://kafka:29092,EXTERNAL://localhost:9092",
            protocols: "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
            controllers: "CONTROLLER",
        };
        let expected = [
            listener("INTERNAL", "0.0.0.0", 29092, ("kafka", 29092)),
            listener("EXTERNAL", "0.0.0.0", 9092, ("localhost", 9092)),
        ];
        assert_eq!(read(compose).unwrap(), expected);
        let kinds = "PLAINTEXT://:1,SSL://:2,SASL_PLAINTEXT://:3,SASL_SSL://:4";
        let kinds = read(Texts { listeners: kinds, ..Texts::default() }).unwrap();
        let kinds: Vec<_> = kinds.iter().map(|one| (one.protocol.tls, one.protocol.sasl)).collect();
        assert_eq!(kinds, [(false, false), (true, false), (false, true), (true, true)]);
    }

    #[test]
    fn what_is_advertised_is_listened_on_when_nothing_else_is_said() {
        let texts = Texts {
            advertised: "PLAINTEXT://kafka:29092,PLAINTEXT_HOST://localhost:9092",
            protocols: "PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT",
            ..Texts::default()
        };
        let expected = [
            listener("PLAINTEXT", "", 29092, ("kafka", 29092)),
            listener("PLAINTEXT_HOST", "", 9092, ("localhost", 9092)),
        ];
        assert_eq!(read(texts).unwrap(), expected);
        assert_eq!(read(Texts::default()).unwrap(), []);
    }

    #[test]
    fn what_cannot_be_a_listener_is_refused() {
        let texts = |listeners, advertised, protocols| Texts {
            listeners,
            advertised,
            protocols,
            controllers: "C",
        };
        for (texts, says) in [
            (texts("C://a:1", "", ""), "none for clients"),
            (texts("PLAINTEXT://a", "", ""), "NAME://HOST:PORT"),
            (texts("PLAINTEXT:a:1", "", ""), "NAME://HOST:PORT"),
            (texts("PLAINTEXT://a:99999", "", ""), "NAME://HOST:PORT"),
            (texts("://a:1", "", ""), "NAME://HOST:PORT"),
            (texts("EXTERNAL://a:1", "", ""), "listener.security.protocol.map"),
            (texts("EXTERNAL://a:1", "", "EXTERNAL:TLS"), "none of PLAINTEXT"),
            (texts("EXTERNAL://a:1", "", "EXTERNAL"), "NAME:PROTOCOL"),
            (texts("PLAINTEXT://a:1", "PLAINTEXT://0.0.0.0:1", ""), "no address"),
            (texts("PLAINTEXT://a:1", "SSL://a:1", ""), "none of listeners"),
            (texts("", "EXTERNAL://a:1", ""), "listener.security.protocol.map"),
        ] {
            let error = read(texts).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
