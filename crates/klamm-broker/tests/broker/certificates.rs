//! Certificates that live as long as a test, signed without C.

use base64::Engine as _;
use graviola::hashing::Sha256;
use graviola::signing::ecdsa::{P256, SigningKey};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, PublicKeyData, SignatureAlgorithm, date_time_ymd,
};

/// A certificate and its key, as PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Who signs.
pub(crate) struct Authority {
    pub(crate) certificate: String,
    issuer: Issuer<'static, Key>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = Key::new();
        let mut params = params(name, "klamm", &key);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A server at 127.0.0.1.
    pub(crate) fn server(&self) -> Identity {
        self.sign("localhost", "klamm", ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client whose subject is `CN=name,O=organization`.
    pub(crate) fn client(&self, name: &str, organization: &str) -> Identity {
        self.sign(name, organization, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, name: &str, organization: &str, usage: ExtendedKeyUsagePurpose) -> Identity {
        let key = Key::new();
        let mut params = params(name, organization, &key);
        params.is_ca = IsCa::ExplicitNoCa;
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.pem() }
    }
}

fn params(name: &str, organization: &str, key: &Key) -> CertificateParams {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, organization);
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2099, 1, 1));
    // A public key is as unique as its hash.
    params.serial_number = Some(key.public[1..17].to_vec().into());
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.public[1..21].to_vec());
    params
}

struct Key {
    key: SigningKey<P256>,
    /// The point, uncompressed.
    public: Vec<u8>,
}

impl Key {
    fn new() -> Self {
        let key = SigningKey::<P256>::generate().ok().unwrap();
        let mut buffer = [0; 256];
        let spki = key.to_spki_der(&mut buffer).ok().unwrap();
        // It ends in the point: a tag and two numbers of 32 bytes.
        let public = spki[spki.len() - 65..].to_vec();
        Self { key, public }
    }

    fn pem(&self) -> String {
        let mut buffer = [0; 512];
        let der = self.key.to_pkcs8_der(&mut buffer).ok().unwrap();
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let mut buffer = [0; 128];
        let signature = self.key.sign_asn1::<Sha256>(&[message], &mut buffer);
        Ok(signature.ok().unwrap().to_vec())
    }
}
