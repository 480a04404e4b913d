//! One request, one answer, on a transport that nobody shares yet.

use super::error::RequestError;
use super::settings::HANDSHAKE_FRAME_MAX_BYTES;
use super::transport::Transport;
use bytes::Bytes;
use klamm_protocol::header::{correlation_id, encode_request};
use klamm_protocol::message::Request;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Sends a request and returns the frame that answers it.
pub(crate) async fn exchange<R: Request>(
    transport: &mut Transport,
    address: &Arc<str>,
    client_id: &str,
    request: &R,
    version: i16,
    id: i32,
) -> Result<Bytes, RequestError> {
    let lost = |cause: String| RequestError::Lost {
        address: Arc::clone(address),
        cause: cause.into(),
        may_have_reached_broker: true,
    };
    let frame = encode_request(request, version, id, client_id)?;
    let bytes = frame.parts().concat();
    transport.write_all(&bytes).await.map_err(|e| lost(e.to_string()))?;
    transport.flush().await.map_err(|e| lost(e.to_string()))?;
    let size = transport.read_i32().await.map_err(|e| lost(closed(&e)))?;
    let len = usize::try_from(size).ok().filter(|n| *n <= HANDSHAKE_FRAME_MAX_BYTES);
    let Some(len) = len else {
        return Err(lost(format!(
            "what came back is no Kafka response (size {size}); {}",
            hint(size)
        )));
    };
    let mut body = vec![0; len];
    transport.read_exact(&mut body).await.map_err(|e| lost(closed(&e)))?;
    let body = Bytes::from(body);
    match correlation_id(&body) {
        Ok(answered) if answered == id => Ok(body),
        _ => Err(lost("the answer is to another request".to_owned())),
    }
}

fn closed(e: &std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            "the broker closed the connection; a listener that wants TLS or SASL does so".to_owned()
        }
        _ => e.to_string(),
    }
}

/// The first bytes of other protocols, read as a size.
fn hint(size: i32) -> &'static str {
    match size.to_be_bytes() {
        [0x15, 3, ..] => {
            "it is a TLS alert: the listener wants TLS (security.protocol=SSL or SASL_SSL)"
        }
        [b'H', b'T', b'T', b'P'] => "it is an HTTP server",
        _ => "is this a Kafka listener?",
    }
}
