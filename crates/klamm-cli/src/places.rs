//! Where a broker listens and what it advertises, from the command line.

use crate::failure::{Failure, USAGE};
use klamm_broker::{Builder, PropertiesError, ServerProperties};
use std::net::SocketAddr;

/// A listener without a name among several.
const PLAINTEXT: &str = "PLAINTEXT";

/// `[NAME://]HOST:PORT`: an address of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place<A> {
    name: Option<String>,
    address: A,
    port: u16,
}

impl Place<SocketAddr> {
    /// An address of this machine.
    pub(crate) fn listen(text: &str) -> Result<Self, String> {
        let (name, address) = named(text);
        let address: SocketAddr =
            address.parse().map_err(|_| "not [NAME://]HOST:PORT with an IP address".to_owned())?;
        Ok(Self { name, address, port: address.port() })
    }
}

impl Place<String> {
    /// An address that clients understand.
    pub(crate) fn advertised(text: &str) -> Result<Self, String> {
        let (name, address) = named(text);
        let wrong = || "not [NAME://]HOST:PORT".to_owned();
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        Ok(Self { name, address: host.to_owned(), port })
    }
}

fn named(text: &str) -> (Option<String>, &str) {
    match text.split_once("://") {
        Some((name, address)) => (Some(name.to_uppercase()), address),
        None => (None, text),
    }
}

/// All that was said of places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places<'a> {
    listen: &'a [Place<SocketAddr>],
    advertised: &'a [Place<String>],
}

impl<'a> Places<'a> {
    pub(crate) fn new(listen: &'a [Place<SocketAddr>], advertised: &'a [Place<String>]) -> Self {
        Self { listen, advertised }
    }

    /// Hands over what has a name. An address alone is for whatever listener there is; see [`Places::apply`].
    pub(crate) fn name(&self, properties: &mut ServerProperties) -> Result<(), Failure> {
        let wrong = |error: PropertiesError| Failure::new(USAGE, error.to_string());
        let set = |properties: &mut ServerProperties, name, places: Vec<String>| {
            let taken = properties.set(name, &places.join(","));
            taken.map(drop).map_err(|error| Failure::new(USAGE, error.to_string()))
        };
        if let [Place { name: None, address, .. }] = self.listen {
            let names = properties.listener_names().map_err(wrong)?;
            if names.len() > 1 {
                let names = names.join(", ");
                let why = format!(
                    "--listen {address}: there are {names}; say which, as NAME://{address}"
                );
                return Err(Failure::new(USAGE, why));
            }
        } else if !self.listen.is_empty() {
            let listeners = self.listen.iter().map(|place| {
                format!("{}://{}", place.name.as_deref().unwrap_or(PLAINTEXT), place.address)
            });
            set(properties, "listeners", listeners.collect())?;
        }
        let named = self.advertised.iter().filter_map(|place| Some((place.name.as_ref()?, place)));
        let named: Vec<_> = named.collect();
        if named.is_empty() {
            return Ok(());
        }
        set(properties, "advertised.listeners", Vec::new())?;
        let listeners = properties.listener_names().map_err(wrong)?;
        if let Some((name, _)) = named.iter().find(|(name, _)| !listeners.contains(*name)) {
            let why = format!("--advertised {name}://…: no listener is called {name}");
            return Err(Failure::new(USAGE, why));
        }
        let told =
            named.iter().map(|(name, place)| format!("{name}://{}:{}", place.address, place.port));
        set(properties, "advertised.listeners", told.collect())
    }

    /// The same broker with the addresses that have no name.
    pub(crate) fn apply(&self, mut builder: Builder) -> Builder {
        if let [Place { name: None, address, .. }] = self.listen {
            builder = builder.listen(*address);
        }
        match self.advertised.iter().rfind(|place| place.name.is_none()) {
            Some(Place { address, port, .. }) => builder.advertised(address, *port),
            None => builder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use klamm_broker::Broker;

    /// Name, protocol and port of each listener, and what the first advertises.
    fn listeners(
        settings: &[(&str, &str)],
        listen: &[&str],
        advertised: &[&str],
    ) -> Result<Vec<(String, &'static str)>, Failure> {
        let mut properties = ServerProperties::new();
        for (name, value) in settings {
            properties.set(name, value).unwrap();
        }
        let listen: Vec<_> = listen.iter().map(|text| Place::listen(text).unwrap()).collect();
        let advertised: Vec<_> =
            advertised.iter().map(|text| Place::advertised(text).unwrap()).collect();
        let places = Places::new(&listen, &advertised);
        places.name(&mut properties)?;
        let wrong = |error: PropertiesError| Failure::new(USAGE, error.to_string());
        let builder = places.apply(properties.apply(Broker::builder()).map_err(wrong)?);
        let listeners = builder.listeners();
        Ok(listeners.map(|one| (one.name().to_owned(), one.security_protocol())).collect())
    }

    fn list(expected: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
        expected.iter().map(|(name, protocol)| ((*name).to_owned(), *protocol)).collect()
    }

    #[test]
    fn one_address_is_that_of_the_listener_there_is() {
        let address = ["127.0.0.1:1"];
        assert_eq!(listeners(&[], &address, &[]).unwrap(), list(&[("PLAINTEXT", "PLAINTEXT")]));
        let named = [
            ("listeners", "OUTER://127.0.0.1:0"),
            ("listener.security.protocol.map", "OUTER:PLAINTEXT"),
        ];
        assert_eq!(listeners(&named, &address, &["h:2"]).unwrap(), list(&[("OUTER", "PLAINTEXT")]));
        let two = [("listeners", "PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0")];
        let error = listeners(&two, &address, &[]).unwrap_err().to_string();
        assert!(error.contains("say which"), "{error}");
    }

    #[test]
    fn several_addresses_have_names() {
        let module = "PlainLoginModule required user_a=\"b\";";
        let users = [("sasl.jaas.config", module)];
        let listen = ["127.0.0.1:1", "sasl_plaintext://127.0.0.1:2"];
        let expected = list(&[("PLAINTEXT", "PLAINTEXT"), ("SASL_PLAINTEXT", "SASL_PLAINTEXT")]);
        let advertised = ["h:1", "SASL_PLAINTEXT://h:2"];
        assert_eq!(listeners(&users, &listen, &advertised).unwrap(), expected);
        let error = listeners(&users, &listen, &["ssl://h:2"]).unwrap_err().to_string();
        assert!(error.contains("no listener is called SSL"), "{error}");
        assert!(listeners(&[], &["INNER://127.0.0.1:1"], &[]).is_err(), "it has no protocol");
    }

    #[test]
    fn addresses_that_are_none() {
        for text in ["localhost:9092", "127.0.0.1", "PLAINTEXT://127.0.0.1", "127.0.0.1:99999"] {
            assert!(Place::listen(text).is_err(), "{text}");
        }
        assert!(Place::advertised("kafka").is_err() && Place::advertised("a://kafka").is_err());
    }
}
