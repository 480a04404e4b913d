//! The server's side of SCRAM against RFC 7677's example and against messages that lie.

use super::super::credential::MIN_ITERATIONS;
use super::*;

const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const NONCE: &str = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const PROOF: &str = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

fn credential() -> Credential {
    let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    Credential::from_password(Hash::Sha256, b"pencil", &salt, MIN_ITERATIONS)
}

fn begin(header: &str, known: bool) -> (Exchange, String) {
    let first = format!("{header}n=user,r={CLIENT_NONCE}");
    let first = ClientFirst::parse(first.as_bytes()).unwrap();
    assert_eq!(first.user(), "user");
    Exchange::begin(Hash::Sha256, &first, SERVER_NONCE, credential(), known)
}

fn finish(message: &str) -> Result<String, ScramError> {
    begin("n,,", true).0.finish(message.as_bytes())
}

#[test]
fn the_example_of_rfc_7677() {
    let (exchange, server_first) = begin("n,,", true);
    assert_eq!(server_first, format!("r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
    let server_final = exchange.finish(format!("c=biws,r={NONCE},p={PROOF}").as_bytes()).unwrap();
    assert_eq!(server_final, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

/// What a client signs, computed here from the RFC's definitions, for cases without a published example.
fn client_final(
    hash: Hash,
    password: &str,
    bare: &str,
    server_first: &str,
    binding: &str,
) -> String {
    let nonce = server_first.split(',').find_map(|field| field.strip_prefix("r=")).unwrap();
    final_with_nonce(hash, password, bare, server_first, binding, nonce)
}

fn final_with_nonce(
    hash: Hash,
    password: &str,
    bare: &str,
    server_first: &str,
    binding: &str,
    nonce: &str,
) -> String {
    let field = |name: &str| {
        server_first.split(',').find_map(|field| field.strip_prefix(name)).unwrap().to_owned()
    };
    let salt = BASE64_STANDARD.decode(field("s=")).unwrap();
    let iterations: u32 = field("i=").parse().unwrap();
    // The proof is ClientKey XOR HMAC(H(ClientKey), AuthMessage); ClientKey = HMAC(SaltedPassword, "Client Key").
    let without = format!("c={},r={nonce}", BASE64_STANDARD.encode(binding));
    let auth = format!("{bare},{server_first},{without}");
    let proof = match hash {
        Hash::Sha256 => {
            let mut salted = [0; 32];
            pbkdf2::pbkdf2_hmac::<sha2::Sha256>(
                password.as_bytes(),
                &salt,
                iterations,
                &mut salted,
            );
            proof::<sha2::Sha256>(hash, &salted, &auth)
        }
        Hash::Sha512 => {
            let mut salted = [0; 64];
            pbkdf2::pbkdf2_hmac::<sha2::Sha512>(
                password.as_bytes(),
                &salt,
                iterations,
                &mut salted,
            );
            proof::<sha2::Sha512>(hash, &salted, &auth)
        }
    };
    format!("{without},p={}", BASE64_STANDARD.encode(proof))
}

fn proof<D: sha2::Digest>(hash: Hash, salted: &[u8], auth: &str) -> Vec<u8> {
    let key = hash.mac(salted, b"Client Key");
    let signature = hash.mac(&D::digest(&key), auth.as_bytes());
    key.iter().zip(signature).map(|(k, s)| k ^ s).collect()
}

#[test]
fn both_hashes_and_both_headers_and_escaped_names() {
    for hash in Hash::ALL {
        for header in ["n,,", "y,,", "n,a=a=2Cb=3Dc,"] {
            let bare = "n=a=2Cb=3Dc,r=abc,ext=1";
            let first = ClientFirst::parse(format!("{header}{bare}").as_bytes()).unwrap();
            assert_eq!(first.user(), "a,b=c");
            let credential = Credential::from_password(hash, b"p\xc3\xa4ss", b"salt", 5000);
            let (exchange, server_first) = Exchange::begin(hash, &first, "xyz", credential, true);
            let last = client_final(hash, "päss", bare, &server_first, header);
            assert!(
                exchange.finish(last.as_bytes()).unwrap().starts_with("v="),
                "{hash:?} {header}"
            );
        }
    }
}

/// librdkafka before 2.6.1 says its own part of the nonce twice, and signs what it says.
#[test]
fn a_nonce_that_begins_twice_is_still_fresh() {
    let (exchange, server_first) = begin("n,,", true);
    let bare = format!("n=user,r={CLIENT_NONCE}");
    let doubled = format!("{CLIENT_NONCE}{NONCE}");
    let last = final_with_nonce(Hash::Sha256, "pencil", &bare, &server_first, "n,,", &doubled);
    assert!(exchange.finish(last.as_bytes()).is_ok());
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let (exchange, server_first) = begin("n,,", true);
    let bare = format!("n=user,r={CLIENT_NONCE}");
    let last = client_final(Hash::Sha256, "wrong", &bare, &server_first, "n,,");
    assert_eq!(exchange.finish(last.as_bytes()), Err(ScramError::Credentials));
    // Even the right proof of a credential that belongs to nobody is none.
    let (exchange, _) = begin("n,,", false);
    let right = format!("c=biws,r={NONCE},p={PROOF}");
    assert_eq!(exchange.finish(right.as_bytes()), Err(ScramError::Credentials));
}

#[test]
fn twelve_mutations_of_the_last_message() {
    let ended = NONCE.replace("k0", "k1");
    let malformed = ScramError::Malformed;
    let cases = [
        (format!("c=biws,r={ended},p={PROOF}"), ScramError::Credentials),
        (format!("c=biws,r={CLIENT_NONCE},p={PROOF}"), ScramError::Credentials),
        (format!("c=biws,r={NONCE}x,p={PROOF}"), ScramError::Credentials),
        (format!("c=eSws,r={NONCE},p={PROOF}"), ScramError::ChannelBinding),
        (format!("c=!,r={NONCE},p={PROOF}"), malformed("channel binding")),
        (format!("r={NONCE},c=biws,p={PROOF}"), malformed("channel binding")),
        (format!("c=biws,p={PROOF}"), malformed("nonce")),
        (format!("c=biws,r={NONCE}"), malformed("proof")),
        (format!("c=biws,r={NONCE},p=!!"), malformed("proof")),
        (format!("c=biws,r={NONCE},p="), ScramError::Credentials),
        (format!("c=biws,r={NONCE},p={}", PROOF.replace("dHzb", "dHzc")), ScramError::Credentials),
        (format!("c=biws,r={NONCE},x=1,p={PROOF}"), ScramError::Credentials),
        (format!("c=biws,r={},p={PROOF}", "x".repeat(9_000)), malformed("too long")),
        (String::new(), malformed("proof")),
    ];
    for (message, expected) in cases {
        assert_eq!(finish(&message), Err(expected), "{message}");
    }
    assert_eq!(begin("n,,", true).0.finish(b"\xff"), Err(malformed("not UTF-8")));
}

#[test]
fn first_messages_that_are_refused() {
    for (message, expected) in [
        ("p=tls-unique,,n=user,r=abc", ScramError::ChannelBinding),
        ("n,a=other,n=user,r=abc", ScramError::AuthorizationId),
        ("n,x,n=user,r=abc", ScramError::Malformed("GS2 header")),
        ("x,,n=user,r=abc", ScramError::Malformed("no GS2 header")),
        ("n=user,r=abc", ScramError::Malformed("no GS2 header")),
        ("n,,m=must,n=user,r=abc", ScramError::Malformed("user")),
        ("n,,n=,r=abc", ScramError::Malformed("user")),
        ("n,,n=us=er,r=abc", ScramError::Malformed("user")),
        ("n,,n=user", ScramError::Malformed("nonce")),
        ("n,,n=user,r=", ScramError::Malformed("nonce")),
        ("n,,n=user,r=a b", ScramError::Malformed("nonce")),
        ("", ScramError::Malformed("no GS2 header")),
    ] {
        assert_eq!(ClientFirst::parse(message.as_bytes()), Err(expected), "{message}");
    }
}
