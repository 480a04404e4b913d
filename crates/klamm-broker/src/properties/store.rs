//! Certificates and keys: PEM files and texts, and a way out for whoever has another kind of store.

use super::error::PropertiesError;
use std::path::Path;

/// The largest store that is read, in bytes.
const MAX_STORE_BYTES: u64 = 16 * 1024 * 1024;

/// One of the two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    Key,
    Trust,
}

impl Store {
    /// The setting that says where it is.
    fn location(self) -> &'static str {
        match self {
            Self::Key => "ssl.keystore.location",
            Self::Trust => "ssl.truststore.location",
        }
    }

    /// Reads the file as PEM; `kind` is what its type was set to, if it was.
    ///
    /// # Errors
    /// [`PropertiesError::Store`] with the command that converts it, [`PropertiesError::File`].
    pub(super) fn read(self, path: &str, kind: Option<&str>) -> Result<String, PropertiesError> {
        let failed = |source| {
            let (setting, path) = (self.location(), Path::new(path).to_owned());
            PropertiesError::File { setting, path, source }
        };
        let len = std::fs::metadata(path).map_err(failed)?.len();
        if len > MAX_STORE_BYTES {
            let large = format!("larger than {MAX_STORE_BYTES} bytes");
            return Err(failed(std::io::Error::other(large)));
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        let kind = kind.map(str::to_ascii_uppercase);
        match (kind.as_deref(), found(&bytes)) {
            (Some("PEM") | None, Found::Pem) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            (Some("JKS") | None, Found::Jks) => Err(self.refuse("a JKS store", path, true)),
            (Some("PKCS12") | None, Found::Pkcs12) => {
                Err(self.refuse("a PKCS #12 store", path, false))
            }
            (Some("JKS"), _) => Err(self.refuse("of type JKS", path, true)),
            (Some("PKCS12"), _) => Err(self.refuse("of type PKCS12", path, false)),
            (kind, _) => Err(PropertiesError::Unusable(format!(
                "{}: {path} is not {}",
                self.location(),
                kind.unwrap_or("PEM")
            ))),
        }
    }

    fn refuse(self, kind: &'static str, path: &str, jks: bool) -> PropertiesError {
        let stem = Path::new(path).with_extension("");
        let stem = stem.display();
        let first = match jks {
            true => format!(
                "keytool -importkeystore -srckeystore {path} -destkeystore {stem}.p12 -deststoretype PKCS12 && "
            ),
            false => String::new(),
        };
        let from = if jks { format!("{stem}.p12") } else { path.to_owned() };
        let what = if self == Self::Key { "-nodes" } else { "-nokeys" };
        let command = format!("{first}openssl pkcs12 -in {from} {what} -out {stem}.pem");
        PropertiesError::Store { setting: self.location(), kind, command }
    }
}

enum Found {
    Pem,
    Jks,
    Pkcs12,
    Other,
}

fn found(bytes: &[u8]) -> Found {
    match bytes {
        [0xfe, 0xed, 0xfe, 0xed, ..] => Found::Jks,
        // A DER sequence.
        [0x30, 0x80..=0x84, ..] => Found::Pkcs12,
        bytes if bytes.windows(11).any(|window| window == b"-----BEGIN ") => Found::Pem,
        _ => Found::Other,
    }
}

/// Refuses a key that needs a password.
///
/// # Errors
/// [`PropertiesError::EncryptedKey`]
pub(super) fn check_key(
    setting: &'static str,
    path: &str,
    pem: &str,
) -> Result<(), PropertiesError> {
    let pkcs8 = pem.contains("BEGIN ENCRYPTED PRIVATE KEY");
    if !pkcs8 && !pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Ok(());
    }
    let command = format!("openssl pkey -in {path} -out key.pem");
    Err(PropertiesError::EncryptedKey { setting, command })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, bytes: &[u8], kind: Option<&str>) -> Result<String, PropertiesError> {
        let dir = std::env::temp_dir().join(format!("klamm-store-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        let read = Store::Key.read(path.to_str().unwrap(), kind);
        std::fs::remove_file(path).unwrap();
        read
    }

    #[test]
    fn pem_is_read_whatever_stands_before_it() {
        let pem = b"Bag Attributes\n-----BEGIN CERTIFICATE-----\n";
        for kind in [None, Some("PEM"), Some("pem")] {
            assert!(read("a.pem", pem, kind).is_ok(), "{kind:?}");
        }
    }

    #[test]
    fn other_stores_are_refused_with_a_way_out() {
        let jks = read("b.jks", &[0xfe, 0xed, 0xfe, 0xed, 0, 0], None).unwrap_err().to_string();
        assert!(
            jks.contains("keytool -importkeystore") && jks.contains("b.p12 -nodes -out"),
            "{jks}"
        );
        let p12 = read("c.p12", &[0x30, 0x82, 1, 0], Some("PKCS12")).unwrap_err().to_string();
        assert!(p12.contains("openssl pkcs12 -in") && p12.contains("c.pem"), "{p12}");
        assert!(read("d.pem", b"nothing", None).is_err());
        assert!(read("e.pem", &[0x30, 0x82, 1, 0], Some("PEM")).is_err());
        assert!(Store::Trust.read("/nonexistent/x.pem", None).is_err());
    }

    #[test]
    fn encrypted_keys_are_refused() {
        assert!(check_key("k", "p", "-----BEGIN PRIVATE KEY-----").is_ok());
        let refused = check_key("k", "p", "-----BEGIN ENCRYPTED PRIVATE KEY-----");
        assert!(refused.unwrap_err().to_string().contains("openssl pkey -in p"));
    }
}
