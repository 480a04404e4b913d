//! Throw-away certificates for one cluster: an authority, what it signed, and what must be refused.
//!
//! | file | what it is |
//! |---|---|
//! | `ca.pem` | the authority clients are to trust |
//! | `server.pem` / `.key` | `localhost` and 127.0.0.1 |
//! | `expired.pem` / `.key` | the same, but its time is over |
//! | `wrong-name.pem` / `.key` | signed properly for another host |
//! | `client.pem` / `.key` | a client, `CN=klamm-client` |
//! | `expired-client.pem` / `.key` | a client whose time is over |
//! | `other-ca.pem`, `other-client.pem` / `.key` | an authority nobody trusts, and a client of its |

use std::path::{Path, PathBuf};

use base64::Engine as _;
use graviola::hashing::Sha256;
use graviola::signing::ecdsa::{P256, SigningKey};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm,
    date_time_ymd,
};

use crate::failure::{Doing, Failure, Result};

/// Makes every file of the table in `dir`.
pub(crate) fn make(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).doing(format_args!("cannot create {}", dir.display()))?;
    let here = ["localhost", "127.0.0.1"];
    let ca = Authority::new("klamm test authority")?;
    write(dir, "ca.pem", &ca.pem)?;
    ca.issue(&Leaf::server("localhost", &here))?.save(dir, "server")?;
    ca.issue(&Leaf::server("localhost", &here).expired())?.save(dir, "expired")?;
    let elsewhere = ["elsewhere.example"];
    ca.issue(&Leaf::server(elsewhere[0], &elsewhere))?.save(dir, "wrong-name")?;
    ca.issue(&Leaf::client("klamm-client"))?.save(dir, "client")?;
    ca.issue(&Leaf::client("klamm-client").expired())?.save(dir, "expired-client")?;
    let other = Authority::new("some other authority")?;
    write(dir, "other-ca.pem", &other.pem)?;
    other.issue(&Leaf::client("klamm-client"))?.save(dir, "other-client")
}

/// The certificate and the key called `name`.
pub(crate) fn files(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")))
}

struct Authority {
    issuer: Issuer<'static, Key>,
    pem: String,
}

/// A certificate with its key, both as PEM.
struct Issued {
    certificate: String,
    key: String,
}

/// What a certificate of a server or a client says.
struct Leaf<'a> {
    name: &'a str,
    hosts: &'a [&'a str],
    usage: ExtendedKeyUsagePurpose,
    last_year: i32,
}

impl<'a> Leaf<'a> {
    fn server(name: &'a str, hosts: &'a [&'a str]) -> Self {
        Self { name, hosts, usage: ExtendedKeyUsagePurpose::ServerAuth, last_year: 2099 }
    }

    fn client(name: &'a str) -> Self {
        Self { name, hosts: &[], usage: ExtendedKeyUsagePurpose::ClientAuth, last_year: 2099 }
    }

    fn expired(self) -> Self {
        Self { last_year: 2021, ..self }
    }
}

impl Authority {
    fn new(name: &str) -> Result<Self> {
        let key = Key::generate()?;
        let mut params = params(name, &[], &key, 2099)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).doing("cannot make the authority")?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    fn issue(&self, leaf: &Leaf<'_>) -> Result<Issued> {
        let key = Key::generate()?;
        let mut params = params(leaf.name, leaf.hosts, &key, leaf.last_year)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![leaf.usage.clone()];
        params.use_authority_key_identifier_extension = true;
        let signed = params.signed_by(&key, &self.issuer).doing("cannot sign a certificate")?;
        Ok(Issued { certificate: signed.pem(), key: key.pem()? })
    }
}

impl Issued {
    fn save(&self, dir: &Path, name: &str) -> Result<()> {
        write(dir, &format!("{name}.pem"), &self.certificate)?;
        write(dir, &format!("{name}.key"), &self.key)
    }
}

fn write(dir: &Path, name: &str, pem: &str) -> Result<()> {
    std::fs::write(dir.join(name), pem).doing(format_args!("cannot write {name}"))
}

fn params(name: &str, hosts: &[&str], key: &Key, last_year: i32) -> Result<CertificateParams> {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts).doing("not the name of a host")?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(last_year, 1, 1);
    // Part of the public key is as unique as its hash, and needs none.
    params.serial_number = Some(key.point[1..17].to_vec().into());
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.point[1..21].to_vec());
    Ok(params)
}

/// A P-256 key of graviola's, so that building xtask needs no C compiler for its cryptography.
struct Key {
    key: SigningKey<P256>,
    point: Vec<u8>,
}

impl Key {
    /// An uncompressed point: a tag and two coordinates.
    const POINT: usize = 65;

    fn generate() -> Result<Self> {
        let fail = |_| Failure::new("cannot generate a key");
        let key = SigningKey::<P256>::generate().map_err(fail)?;
        let mut buffer = [0; 256];
        let spki = key.to_spki_der(&mut buffer).map_err(fail)?;
        let point = spki.len().checked_sub(Self::POINT).and_then(|start| spki.get(start..));
        let point = point.ok_or_else(|| Failure::new("a key without a public part"))?.to_vec();
        Ok(Self { key, point })
    }

    fn pem(&self) -> Result<String> {
        let mut buffer = [0; 512];
        let fail = |_| Failure::new("cannot write a key");
        let der = self.key.to_pkcs8_der(&mut buffer).map_err(fail)?;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(pem)
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, rcgen::Error> {
        let mut buffer = [0; 128];
        let signature = self.key.sign_asn1::<Sha256>(&[message], &mut buffer);
        signature.map(<[u8]>::to_vec).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

#[cfg(test)]
mod tests {
    use super::make;
    use std::process::Command;

    /// Whether `openssl verify` accepts `certificate` under `ca`; `None` where there is no openssl.
    fn accepted(dir: &std::path::Path, ca: &str, certificate: &str, more: &[&str]) -> Option<bool> {
        crate::process::find("openssl")?;
        let mut verify = Command::new("openssl");
        verify.current_dir(dir).args(["verify", "-CAfile", ca]).args(more).arg(certificate);
        Some(verify.output().unwrap().status.success())
    }

    #[test]
    fn another_program_accepts_the_good_and_refuses_the_bad() {
        let dir = std::env::temp_dir().join(format!("klamm-tls-{}", std::process::id()));
        make(&dir).unwrap();
        let host = ["-verify_hostname", "localhost"];
        for (ca, certificate, more, expected) in [
            ("ca.pem", "server.pem", &host[..], true),
            ("ca.pem", "server.pem", &["-verify_ip", "127.0.0.1"][..], true),
            ("ca.pem", "client.pem", &["-purpose", "sslclient"][..], true),
            ("ca.pem", "client.pem", &["-purpose", "sslserver"][..], false),
            ("ca.pem", "expired.pem", &host[..], false),
            ("ca.pem", "wrong-name.pem", &host[..], false),
            ("ca.pem", "other-client.pem", &[][..], false),
            ("other-ca.pem", "other-client.pem", &[][..], true),
            ("other-ca.pem", "server.pem", &[][..], false),
        ] {
            if let Some(accepted) = accepted(&dir, ca, certificate, more) {
                assert_eq!(accepted, expected, "{certificate} under {ca} {more:?}");
            }
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
