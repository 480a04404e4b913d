//! One request, one answer, on a transport that nobody shares yet.

use super::connector::Transport;
use super::error::SetupError;
use super::settings::HANDSHAKE_FRAME_MAX_BYTES;
use super::tls;
use crate::error::ErrorKind;
use bytes::Bytes;
use klamm_protocol::header::{correlation_id, encode_request};
use klamm_protocol::message::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Sends a request and returns the frame that answers it.
pub(super) async fn exchange<R: Request>(
    transport: &mut Transport,
    client_id: &str,
    request: &R,
    version: i16,
    id: i32,
) -> Result<Bytes, SetupError> {
    let frame = encode_request(request, version, id, client_id)
        .map_err(|e| SetupError::new(ErrorKind::Misuse, e.to_string()))?;
    let bytes = frame.parts().concat();
    transport.write_all(&bytes).await.map_err(|e| broken(&e))?;
    transport.flush().await.map_err(|e| broken(&e))?;
    let mut size = [0; 4];
    transport.read_exact(&mut size).await.map_err(|e| broken(&e))?;
    let size = i32::from_be_bytes(size);
    let len = usize::try_from(size).ok().filter(|n| *n <= HANDSHAKE_FRAME_MAX_BYTES);
    let len = len.ok_or_else(|| no_kafka(size))?;
    let mut body = vec![0; len];
    transport.read_exact(&mut body).await.map_err(|e| broken(&e))?;
    let body = Bytes::from(body);
    match correlation_id(&body) {
        Ok(answered) if answered == id => Ok(body),
        _ => Err(SetupError::new(ErrorKind::Fatal, "the answer is to another request")),
    }
}

/// With TLS 1.3 a broker's objection to our certificate arrives with the first read.
fn broken(e: &std::io::Error) -> SetupError {
    match tls::objection(e) {
        Some(objection) => objection,
        None if e.kind() == std::io::ErrorKind::UnexpectedEof => SetupError::new(
            ErrorKind::Retriable,
            "the broker closed the connection; a listener that wants TLS or SASL does so",
        ),
        None => SetupError::new(ErrorKind::Retriable, e.to_string()),
    }
}

/// The first bytes of other protocols, read as a size.
fn no_kafka(size: i32) -> SetupError {
    let is = match size.to_be_bytes() {
        [0x15, 3, ..] => {
            "it is a TLS alert: the listener wants TLS (security.protocol=SSL or SASL_SSL)"
        }
        [b'H', b'T', b'T', b'P'] => "it is an HTTP server",
        _ => "is this a Kafka listener?",
    };
    let reason = format!("what came back is no Kafka response (size {size}): {is}");
    SetupError::new(ErrorKind::Misuse, reason)
}
