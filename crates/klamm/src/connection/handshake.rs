//! From a host name to a connection that is ready for requests.

use super::ApiVersions;
use super::connector::Transport;
use super::error::{ConnectError, ConnectStage};
use super::exchange::exchange;
use super::sasl::{self, Session};
use super::settings::ConnectionSettings;
use super::tls;
use crate::error::ErrorKind;
use bytes::Bytes;
use klamm_protocol::error_code::ErrorCode;
use klamm_protocol::header::decode_response;
use klamm_protocol::message::{ApiVersionsRequest, ApiVersionsResponse};
use klamm_protocol::primitives::{DecodeError, Str};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// How long an address may be silent before the next one is tried beside it (RFC 8305).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;
/// Versions of ApiVersions to try, best first: most brokers answer the first.
const API_VERSIONS_TRIES: [i16; 3] = [4, 3, 0];

/// A transport that has been through the whole setup.
pub(super) struct Ready {
    pub(crate) address: Arc<str>,
    pub(super) transport: Transport,
    pub(crate) versions: ApiVersions,
    pub(crate) session: Session,
}

pub(crate) async fn connect(
    host: &str,
    port: u16,
    settings: &ConnectionSettings,
) -> Result<Ready, ConnectError> {
    let address: Arc<str> = format!("{host}:{port}").into();
    let stage = Mutex::new(ConnectStage::Resolve);
    let setup = set_up(host, port, &address, settings, &stage);
    match tokio::time::timeout(settings.setup_timeout, setup).await {
        Ok(result) => result,
        Err(_) => {
            let reason = format!(
                "nothing within socket.connection.setup.timeout.ms = {}",
                settings.setup_timeout.as_millis()
            );
            Err(ConnectError::new(&address, *stage.lock(), ErrorKind::Retriable, reason))
        }
    }
}

async fn set_up(
    host: &str,
    port: u16,
    address: &Arc<str>,
    settings: &ConnectionSettings,
    stage: &Mutex<ConnectStage>,
) -> Result<Ready, ConnectError> {
    let opened = open(host, port, settings, stage).await;
    let stream = opened.map_err(|reason| {
        ConnectError::new(address, *stage.lock(), ErrorKind::Retriable, reason)
    })?;
    *stage.lock() = ConnectStage::Tls;
    let mut transport = match &settings.tls {
        None => stream,
        Some(config) => {
            let shaken = tls::handshake(stream, host, config).await;
            shaken.map_err(|e| e.at(address, ConnectStage::Tls))?
        }
    };
    *stage.lock() = ConnectStage::ApiVersions;
    let versions = api_versions(&mut transport, address, settings).await?;
    *stage.lock() = ConnectStage::Sasl;
    let session = sasl::authenticate(&mut transport, settings, address, &versions).await?;
    Ok(Ready { address: Arc::clone(address), transport, versions, session })
}

/// Opens a stream as the connector does, or by TCP.
async fn open(
    host: &str,
    port: u16,
    settings: &ConnectionSettings,
    stage: &Mutex<ConnectStage>,
) -> Result<Transport, String> {
    if let Some(connector) = &settings.connector {
        *stage.lock() = ConnectStage::Tcp;
        return connector.connect(host, port).await.map_err(|e| e.to_string());
    }
    let addresses = tokio::net::lookup_host((host, port)).await.map_err(|e| e.to_string())?;
    let addresses = interleaved(addresses.take(ADDRESSES_MAX));
    *stage.lock() = ConnectStage::Tcp;
    Ok(Box::new(open_tcp(&addresses, settings).await?))
}

/// Lets the address families take turns, so that one that is broken costs one delay (RFC 8305).
fn interleaved(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let all: Vec<SocketAddr> = addresses.collect();
    let first_is_ipv6 = all.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|a| a.is_ipv6() == first_is_ipv6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}

/// Opens TCP to the first address that answers, starting the next one when one is slow.
async fn open_tcp(
    addresses: &[SocketAddr],
    settings: &ConnectionSettings,
) -> Result<TcpStream, String> {
    let mut tries = JoinSet::new();
    let mut last = "the name has no address".to_owned();
    let mut rest = addresses.iter();
    loop {
        match rest.next() {
            Some(&address) => {
                let buffers = (settings.send_buffer_bytes, settings.receive_buffer_bytes);
                tries.spawn(async move {
                    open_one(address, buffers).await.map_err(|e| format!("{address}: {e}"))
                });
            }
            None if tries.is_empty() => return Err(last),
            None => {}
        }
        let wait = if rest.len() == 0 { Duration::MAX } else { NEXT_ADDRESS_AFTER };
        match tokio::time::timeout(wait, tries.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(e)))) => last = e,
            Ok(Some(Err(e))) => last = e.to_string(),
            Ok(None) | Err(_) => {}
        }
    }
}

async fn open_one(
    address: SocketAddr,
    (send, receive): (Option<usize>, Option<usize>),
) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    if let Some(bytes) = send {
        socket.set_send_buffer_size(clamp(bytes))?;
    }
    if let Some(bytes) = receive {
        socket.set_recv_buffer_size(clamp(bytes))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Asks for the broker's versions, stepping down at most to version 0 (KIP-511).
async fn api_versions(
    transport: &mut Transport,
    address: &Arc<str>,
    settings: &ConnectionSettings,
) -> Result<ApiVersions, ConnectError> {
    let failed =
        |kind, reason: String| ConnectError::new(address, ConnectStage::ApiVersions, kind, reason);
    let request = ApiVersionsRequest {
        client_software_name: Str::from_static("klamm"),
        client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
        ..ApiVersionsRequest::default()
    };
    for (i, version) in API_VERSIONS_TRIES.into_iter().enumerate() {
        let id = i32::try_from(i).unwrap_or(0);
        let frame = exchange(transport, &settings.client_id, &request, version, id)
            .await
            .map_err(|e| e.at(address, ConnectStage::ApiVersions))?;
        let response = decode_api_versions(frame, version)
            .map_err(|e| failed(ErrorKind::Fatal, format!("malformed response: {e}")))?;
        match ErrorCode(response.error_code) {
            ErrorCode::NONE => {
                let ranges =
                    response.api_keys.iter().map(|k| (k.api_key, (k.min_version, k.max_version)));
                return Ok(ranges.collect());
            }
            ErrorCode::UNSUPPORTED_VERSION => {}
            code => return Err(failed(ErrorKind::Fatal, code.to_string())),
        }
    }
    Err(failed(ErrorKind::Fatal, "the broker refuses every version of ApiVersions".to_owned()))
}

/// A broker that does not know the version answers in version 0.
fn decode_api_versions(frame: Bytes, version: i16) -> Result<ApiVersionsResponse, DecodeError> {
    let code = frame.get(4..6).and_then(|b| b.first_chunk::<2>()).copied().unwrap_or_default();
    let unsupported = ErrorCode(i16::from_be_bytes(code)) == ErrorCode::UNSUPPORTED_VERSION;
    let version = if unsupported { 0 } else { version };
    decode_response::<ApiVersionsRequest>(frame, version).map(|(_, response)| response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_families_take_turns() {
        let parse = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|t| t.parse().unwrap()).collect()
        };
        let found = parse(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]);
        let expected = parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]);
        assert_eq!(interleaved(found.into_iter()), expected);
        assert!(interleaved(std::iter::empty()).is_empty());
    }
}
