//! Requests and responses as whole frames: size, header, body.

use crate::api_key::ApiKey;
use crate::message::Request;
use crate::primitives::{DecodeError, Decoder, EncodeError, Encoder, Frame, Message, Str};
use bytes::Bytes;

/// What stands before the body of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API asked for; a number, because a broker must answer unknown ones too.
    pub api_key: i16,
    /// Version of the body.
    pub api_version: i16,
    /// Comes back with the response.
    pub correlation_id: i32,
    /// The client's name for itself.
    pub client_id: Option<Str>,
}

/// Encodes a request as a whole frame.
///
/// # Errors
/// Those of the body, and [`EncodeError::TooLong`] over 2 GiB.
pub fn encode_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) -> Result<Frame, EncodeError> {
    let mut e = Encoder::for_frame();
    e.put_i16(R::API_KEY as i16);
    e.put_i16(version);
    e.put_i32(correlation_id);
    // Never compact, even in flexible headers, so that a broker can read it in any version.
    e.put_str(Some(client_id), false)?;
    if R::API_KEY.request_header_version(version) >= 2 {
        e.put_uvarint(0);
    }
    request.encode(&mut e, version)?;
    e.into_frame()
}

/// Reads the correlation id at the start of a response, without its size prefix.
///
/// # Errors
/// [`DecodeError::Truncated`] below four bytes.
pub fn correlation_id(frame: &Bytes) -> Result<i32, DecodeError> {
    Decoder::new(frame.slice(..frame.len().min(4))).i32()
}

/// Decodes a response frame without its size prefix.
///
/// # Errors
/// [`DecodeError`] on anything malformed, bytes behind the body included.
pub fn decode_response<R: Request>(
    frame: Bytes,
    version: i16,
) -> Result<(i32, R::Response), DecodeError> {
    let mut d = Decoder::new(frame);
    let correlation_id = d.i32()?;
    if R::API_KEY.response_header_version(version) >= 1 {
        d.tagged(|_, _| Ok(false))?;
    }
    let response = R::Response::decode(&mut d, version)?;
    d.finish()?;
    Ok((correlation_id, response))
}

/// Reads the header of a request frame without its size prefix; the decoder stands at the body.
///
/// An API or version this build does not know is no error here: its header is read as far as the
/// client id, which is all that an answer needs.
///
/// # Errors
/// [`DecodeError`] on anything malformed.
pub fn decode_request_header(frame: Bytes) -> Result<(RequestHeader, Decoder), DecodeError> {
    let mut d = Decoder::new(frame);
    let (api_key, api_version, correlation_id) = (d.i16()?, d.i16()?, d.i32()?);
    let client_id = d.str(false)?;
    let known = ApiKey::from_i16(api_key).filter(|k| k.versions().contains(&api_version));
    if known.is_some_and(|k| k.request_header_version(api_version) >= 2) {
        d.tagged(|_, _| Ok(false))?;
    }
    Ok((RequestHeader { api_key, api_version, correlation_id, client_id }, d))
}

/// Encodes a response to a request of `version` as a whole frame.
///
/// # Errors
/// Those of the body, and [`EncodeError::TooLong`] over 2 GiB.
pub fn encode_response<R: Request>(
    response: &R::Response,
    version: i16,
    correlation_id: i32,
) -> Result<Frame, EncodeError> {
    let mut e = Encoder::for_frame();
    e.put_i32(correlation_id);
    if R::API_KEY.response_header_version(version) >= 1 {
        e.put_uvarint(0);
    }
    response.encode(&mut e, version)?;
    e.into_frame()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest};

    #[test]
    fn request_survives_the_round_trip() {
        let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
        for version in [0, 8, 9, 13] {
            if version == 0 {
                continue;
            }
            let frame = encode_request(&request, version, 42, "me").unwrap();
            let bytes = Bytes::from(frame.parts().concat()).slice(4..);
            let (header, mut d) = decode_request_header(bytes).unwrap();
            assert_eq!(
                (header.api_key, header.api_version, header.correlation_id),
                (3, version, 42)
            );
            assert_eq!(MetadataRequest::decode(&mut d, version).unwrap(), request);
            d.finish().unwrap();
        }
    }

    #[test]
    fn api_versions_response_has_the_old_header_in_every_version() {
        let frame =
            encode_response::<ApiVersionsRequest>(&ApiVersionsResponse::default(), 3, 7).unwrap();
        let bytes = Bytes::from(frame.parts().concat());
        // size, correlation id, then at once the error code: no tagged fields in between
        assert_eq!(&bytes[4..10], &[0, 0, 0, 7, 0, 0]);
        let (id, _) = decode_response::<ApiVersionsRequest>(bytes.slice(4..), 3).unwrap();
        assert_eq!(id, 7);
    }
}
