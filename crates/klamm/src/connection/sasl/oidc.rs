//! Tokens by OAuth's client-credentials grant (RFC 6749 §4.4), as KIP-768 has it for OIDC.

use super::oauthbearer::{Token, TokenError, TokenProvider};
use crate::config::TlsConfig;
use crate::connection::error::quoted;
use crate::connection::tls;
use crate::error::ErrorKind;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Largest answer of a token endpoint that is read.
const ANSWER_MAX_BYTES: usize = 256 * 1024;
/// How long the endpoint may take, name lookup and TLS included.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Lifetime of a token whose issuer names none: it is fetched anew each minute.
const UNNAMED_LIFETIME_SECONDS: u64 = 60;
/// Longest lifetime that is believed; an issuer cannot overflow our clock.
const LIFETIME_MAX_SECONDS: u64 = 30 * 24 * 3600;

/// Fetches tokens from an OAuth 2 token endpoint with an id and a secret, and keeps each for four
/// fifths of its lifetime.
///
/// Kafka's counterpart is `OAuthBearerLoginCallbackHandler` with the client-credentials grant (KIP-768).
#[derive(Debug)]
pub struct ClientCredentials {
    endpoint: Uri,
    client_id: String,
    client_secret: SecretString,
    scope: Option<String>,
    tls: TlsConfig,
    /// Whoever holds the lock fetches, the others wait for what it brings.
    kept: tokio::sync::Mutex<Option<(Token, Instant)>>,
}

impl ClientCredentials {
    /// Takes the URL of the token endpoint, `https://…` (or `http://…` to this machine), and the
    /// client's id and secret. The endpoint's certificate is checked against the system's roots.
    ///
    /// # Errors
    /// [`TokenError`] when the URL is none, or would send the secret in clear text over a network.
    pub fn new(
        endpoint: &str,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Result<Self, TokenError> {
        let endpoint: Uri = endpoint
            .parse()
            .map_err(|e| TokenError::refused(format!("the token endpoint is no URL: {e}")))?;
        let host = endpoint.host().unwrap_or_default();
        let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        match endpoint.scheme_str() {
            Some("https") if !host.is_empty() => {}
            Some("http") if local => {}
            _ => return Err(TokenError::refused("the token endpoint must be an https:// URL")),
        }
        Ok(Self {
            endpoint,
            client_id: client_id.into(),
            client_secret: client_secret.into().into(),
            scope: None,
            tls: TlsConfig::default(),
            kept: tokio::sync::Mutex::new(None),
        })
    }

    /// Asks for this scope. Default: none, the issuer decides.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Sets whom to trust at the endpoint. Default: the system's roots.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }

    async fn kept_or_new(&self) -> Result<Token, TokenError> {
        let mut kept = self.kept.lock().await;
        if let Some((token, until)) = kept.as_ref()
            && *until > Instant::now()
        {
            return Ok(token.clone());
        }
        let fetching = tokio::time::timeout(ANSWER_TIMEOUT, self.fetch());
        let (token, lifetime) = fetching
            .await
            .unwrap_or_else(|_| Err(TokenError::unavailable("the token endpoint is silent")))?;
        *kept = Some((token.clone(), Instant::now() + lifetime.mul_f64(0.8)));
        Ok(token)
    }

    async fn fetch(&self) -> Result<(Token, Duration), TokenError> {
        let host = self.endpoint.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_https = self.endpoint.scheme_str() == Some("https");
        let port = self.endpoint.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let tcp = TcpStream::connect((bare, port)).await.map_err(|e| unreachable(&e))?;
        let response = if is_https {
            let config = tls::client_config(&self.tls)
                .map_err(|e| TokenError::refused(format!("token endpoint: {e}")))?;
            let stream = tls::connect(tcp, bare, &config).await.map_err(|e| untrusted(&e, bare))?;
            self.ask(stream).await?
        } else {
            self.ask(tcp).await?
        };
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await;
        let body = body.map_err(|e| unreachable(&e))?.to_bytes();
        read_answer(status, &body)
    }

    async fn ask<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
    ) -> Result<Response<hyper::body::Incoming>, TokenError> {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| unreachable(&e))?;
        // It ends with the sender.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the token endpoint");
            }
        });
        sender.send_request(self.request()?).await.map_err(|e| unreachable(&e))
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, TokenError> {
        let pair =
            format!("{}:{}", form(&self.client_id), form(self.client_secret.expose_secret()));
        let mut body = "grant_type=client_credentials".to_owned();
        if let Some(scope) = &self.scope {
            body.push_str("&scope=");
            body.push_str(&form(scope));
        }
        let path = self.endpoint.path_and_query().map_or("/", |p| p.as_str());
        let authority = self.endpoint.authority().map_or("", |a| a.as_str());
        // A name and password before the host would go out in clear text, too.
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, host)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, format!("Basic {}", BASE64_STANDARD.encode(pair)))
            .body(Full::from(body))
            .map_err(|e| TokenError::refused(format!("token request: {e}")))
    }
}

impl TokenProvider for ClientCredentials {
    fn token(&self) -> Pin<Box<dyn Future<Output = Result<Token, TokenError>> + Send + '_>> {
        Box::pin(self.kept_or_new())
    }
}

fn unreachable(error: &dyn std::fmt::Display) -> TokenError {
    TokenError::unavailable(format!("the token endpoint cannot be used: {error}"))
}

/// A certificate that proves nothing is no passing trouble.
fn untrusted(error: &std::io::Error, host: &str) -> TokenError {
    match tls::explain(error, host).kind {
        ErrorKind::Retriable => unreachable(error),
        _ => TokenError::refused(format!("TLS to the token endpoint {host}: {error}")),
    }
}

/// Reads RFC 6749 §5: a token and its lifetime, or an error code. Only the code is ever quoted.
fn read_answer(status: StatusCode, body: &[u8]) -> Result<(Token, Duration), TokenError> {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let field = |name: &str| json.as_ref().and_then(|j| j.get(name));
    if !status.is_success() {
        let code = field("error").and_then(Value::as_str).map(quoted).unwrap_or_default();
        let reason = format!("the token endpoint answers {} {code}", status.as_u16());
        let refused = matches!(status.as_u16(), 400 | 401 | 403);
        return Err(if refused {
            TokenError::refused(reason)
        } else {
            TokenError::unavailable(reason)
        });
    }
    let Some(token) = field("access_token").and_then(Value::as_str) else {
        return Err(TokenError::unavailable("the token endpoint's answer has no access_token"));
    };
    let seconds = field("expires_in").and_then(Value::as_u64).unwrap_or(UNNAMED_LIFETIME_SECONDS);
    Ok((Token::new(token), Duration::from_secs(seconds.min(LIFETIME_MAX_SECONDS))))
}

/// Encodes a text for a form (RFC 6749 appendix B).
fn form(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const CANARY: &str = "c4n4ry";

    /// Answers each connection with the next of `answers` and returns what it was asked.
    async fn endpoint(answers: Vec<String>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token?a=b", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let mut len = 0;
                while !request[..len].windows(18).any(|w| w == b"client_credentials") {
                    len += stream.read(&mut request[len..]).await.unwrap();
                }
                asked.push(String::from_utf8_lossy(&request[..len]).into_owned());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        (url, serving)
    }

    fn http(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn token_is_fetched_once_and_kept() {
        let body = r#"{"access_token":"abc","expires_in":3600}"#;
        let (url, serving) = endpoint(vec![http("200 OK", body)]).await;
        let credentials = ClientCredentials::new(&url, "me", CANARY).unwrap();
        for _ in 0..3 {
            credentials.token().await.unwrap();
        }
        let asked = serving.await.unwrap().remove(0);
        assert!(asked.starts_with("POST /token?a=b HTTP/1.1\r\n"), "{asked}");
        let expected = BASE64_STANDARD.encode(format!("me:{CANARY}"));
        assert!(asked.contains(&format!("Basic {expected}")), "{asked}");
        assert!(!format!("{credentials:?}").contains(CANARY));
    }

    #[tokio::test]
    async fn token_that_has_run_out_is_fetched_anew() {
        let body = r#"{"access_token":"abc","expires_in":0}"#;
        let (url, serving) = endpoint(vec![http("200 OK", body), http("200 OK", body)]).await;
        let credentials = ClientCredentials::new(&url, "me", CANARY).unwrap();
        credentials.token().await.unwrap();
        credentials.token().await.unwrap();
        assert_eq!(serving.await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn refusal_and_failure_differ_and_nothing_leaks() {
        let refusal = format!(r#"{{"error":"invalid_client","error_description":"{CANARY}"}}"#);
        let cases = [
            (http("401 Unauthorized", &refusal), ErrorKind::Unauthorized),
            (http("400 Bad Request", "no json"), ErrorKind::Unauthorized),
            (http("503 Service Unavailable", ""), ErrorKind::Retriable),
            (http("200 OK", &format!(r#"{{"id_token":"{CANARY}"}}"#)), ErrorKind::Retriable),
            ("nonsense\r\n\r\n".to_owned(), ErrorKind::Retriable),
        ];
        for (answer, kind) in cases {
            let (url, serving) = endpoint(vec![answer.clone()]).await;
            let credentials = ClientCredentials::new(&url, "me", CANARY).unwrap();
            let error = credentials.token().await.unwrap_err();
            assert_eq!(error.kind(), kind, "{answer}: {error}");
            assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
            serving.await.unwrap();
        }
    }

    #[test]
    fn secret_is_not_sent_in_clear_text_over_a_network() {
        for url in ["http://issuer.example/token", "ftp://localhost/", "nonsense", "https://"] {
            assert!(ClientCredentials::new(url, "me", CANARY).is_err(), "{url}");
        }
        ClientCredentials::new("https://issuer.example/token", "me", CANARY).unwrap();
    }

    #[test]
    fn form_encoding_is_that_of_rfc_6749() {
        assert_eq!(form(" %&+£€"), "+%25%26%2B%C2%A3%E2%82%AC");
    }
}
