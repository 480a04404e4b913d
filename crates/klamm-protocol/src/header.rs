//! Requests and responses as whole frames: size, header, body.

use crate::api_key::ApiKey;
use crate::message::Request;
use crate::primitives::{
    DecodeError, Decoder, EncodeError, Encoder, Frame, Message, Str, StreamedFrame,
};
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
/// Those of the body, [`EncodeError::TooLong`] over 2 GiB, and [`EncodeError::NotHere`] when records are still to be read.
pub fn encode_response<R: Request>(
    response: &R::Response,
    version: i16,
    correlation_id: i32,
) -> Result<Frame, EncodeError> {
    encoded_response::<R>(response, version, correlation_id)?.into_frame()
}

/// The same where records may come from a [`Source`](crate::primitives::Source).
///
/// # Errors
/// As [`encode_response`].
pub fn encode_streamed_response<R: Request>(
    response: &R::Response,
    version: i16,
    correlation_id: i32,
) -> Result<StreamedFrame, EncodeError> {
    encoded_response::<R>(response, version, correlation_id)?.into_streamed_frame()
}

fn encoded_response<R: Request>(
    response: &R::Response,
    version: i16,
    correlation_id: i32,
) -> Result<Encoder, EncodeError> {
    let mut e = Encoder::for_frame();
    e.put_i32(correlation_id);
    if R::API_KEY.response_header_version(version) >= 1 {
        e.put_uvarint(0);
    }
    response.encode(&mut e, version)?;
    Ok(e)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest};

    fn body(frame: &Frame) -> Bytes {
        let bytes = Bytes::from(frame.parts().concat());
        assert_eq!(bytes.len(), frame.len());
        assert_eq!(bytes[..4], u32::try_from(bytes.len() - 4).unwrap().to_be_bytes());
        bytes.slice(4..)
    }

    #[test]
    fn requests_survive_in_old_and_in_flexible_versions() {
        // Null means all topics; version 0 has no null, so it is not among these.
        let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
        for version in [1, 8, 9, 13] {
            let frame = encode_request(&request, version, 42, "me").unwrap();
            let (header, mut d) = decode_request_header(body(&frame)).unwrap();
            let client_id = Some(Str::from_static("me"));
            assert_eq!(
                header,
                RequestHeader { api_key: 3, api_version: version, correlation_id: 42, client_id }
            );
            assert_eq!(MetadataRequest::decode(&mut d, version).unwrap(), request);
            d.finish().unwrap();
        }
    }

    #[test]
    fn frames_are_these_bytes() {
        let request = ApiVersionsRequest::default();
        let old = encode_request(&request, 0, 1, "ab").unwrap();
        assert_eq!(body(&old)[..], [0, 18, 0, 0, 0, 0, 0, 1, 0, 2, b'a', b'b']);
        // One byte for no tagged fields ends the header, two empty strings and another are the body.
        let flexible = encode_request(&request, 3, 1, "ab").unwrap();
        assert_eq!(body(&flexible)[..], [0, 18, 0, 3, 0, 0, 0, 1, 0, 2, b'a', b'b', 0, 1, 1, 0]);
    }

    #[test]
    fn headers_of_unknown_apis_and_versions_are_read_as_far_as_the_client_id() {
        for (api_key, api_version) in [(9999, 0), (18, 99), (-1, -1)] {
            let mut e = Encoder::new();
            e.put_i16(api_key);
            e.put_i16(api_version);
            e.put_i32(5);
            e.put_str(None, false).unwrap();
            e.put_slice(&[1, 2, 3]);
            let (header, d) = decode_request_header(e.into_bytes()).unwrap();
            let expected =
                RequestHeader { api_key, api_version, correlation_id: 5, client_id: None };
            assert_eq!((header, d.remaining()), (expected, 3));
        }
    }

    #[test]
    fn part_of_a_header_is_an_error() {
        let frame = body(&encode_request(&ApiVersionsRequest::default(), 3, 1, "ab").unwrap());
        for len in 0..13 {
            assert!(decode_request_header(frame.slice(..len)).is_err(), "{len} bytes");
            assert_eq!(correlation_id(&frame.slice(..len)).is_ok(), len >= 4);
        }
        assert!(decode_response::<ApiVersionsRequest>(Bytes::new(), 3).is_err());
    }

    #[test]
    fn api_versions_response_has_the_old_header_in_every_version() {
        let response = ApiVersionsResponse::default();
        for version in ApiKey::ApiVersions.versions() {
            let frame = encode_response::<ApiVersionsRequest>(&response, version, 7).unwrap();
            let bytes = body(&frame);
            // The correlation id, then at once the error code: no tagged fields in between.
            assert_eq!(bytes[..6], [0, 0, 0, 7, 0, 0]);
            let decoded = decode_response::<ApiVersionsRequest>(bytes, version).unwrap();
            assert_eq!(decoded, (7, response.clone()));
        }
    }
}
