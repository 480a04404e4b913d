//! Every captured frame, read and written again.

use super::files::{Captured, Client, all, of, same, without_length};
use klamm_protocol::api_key::ApiKey;
use klamm_protocol::header::{
    correlation_id, decode_request_header, decode_response, encode_request, encode_response,
};
use klamm_protocol::message::{
    ApiVersionsRequest, InitProducerIdRequest, MetadataRequest, ProduceRequest, Request,
};

/// Reads a frame to its end and compares it with what klamm makes of the values in it.
fn again<R: Request>(c: &Captured) -> Result<(), String> {
    let frame = if c.is_response() { response::<R>(c)? } else { request::<R>(c)? };
    same(&c.to_string(), &c.frame, &frame)
}

fn request<R: Request>(c: &Captured) -> Result<Vec<u8>, String> {
    let (header, mut d) = decode_request_header(c.frame.clone()).map_err(|e| e.to_string())?;
    if (header.api_key, header.api_version) != (R::API_KEY as i16, c.version) {
        return Err(format!("{c}: the file's name does not say what is in it: {header:?}"));
    }
    let body = R::decode(&mut d, c.version).map_err(|e| e.to_string())?;
    d.finish().map_err(|e| e.to_string())?;
    let client_id = header.client_id.ok_or("no client id")?;
    let written = encode_request(&body, c.version, header.correlation_id, &client_id);
    Ok(without_length(&written.map_err(|e| e.to_string())?))
}

fn response<R: Request>(c: &Captured) -> Result<Vec<u8>, String> {
    let version = c.response_version();
    let (id, body) = decode_response::<R>(c.frame.clone(), version).map_err(|e| e.to_string())?;
    let written = encode_response::<R>(&body, version, id).map_err(|e| e.to_string())?;
    Ok(without_length(&written))
}

fn check(c: &Captured) -> Result<(), String> {
    match c.api {
        ApiKey::Produce => again::<ProduceRequest>(c),
        ApiKey::Metadata => again::<MetadataRequest>(c),
        ApiKey::ApiVersions => again::<ApiVersionsRequest>(c),
        _ => again::<InitProducerIdRequest>(c),
    }
}

#[test]
fn every_frame_is_written_again_as_it_was_read() {
    for c in all() {
        check(&c).unwrap_or_else(|difference| panic!("{difference}"));
    }
}

#[test]
fn each_client_has_every_kind_of_frame() {
    for client in Client::ALL {
        let files = of(client);
        let has = |api, suffix: &str| files.iter().any(|c| c.api == api && c.suffix == suffix);
        for api in [ApiKey::ApiVersions, ApiKey::Metadata, ApiKey::InitProducerId] {
            assert!(has(api, "") && has(api, "response"), "{client:?} {api:?}");
        }
        for suffix in ["none", "gzip", "snappy", "lz4", "zstd", "response"] {
            assert!(has(ApiKey::Produce, suffix), "{client:?} {suffix}");
        }
    }
}

#[test]
fn answers_belong_to_their_questions() {
    for c in all().iter().filter(|c| c.is_response()) {
        let asked = of(c.client).into_iter().find(|q| {
            (q.api, q.version) == (c.api, c.version) && ["", "none"].contains(&q.suffix.as_str())
        });
        let header = decode_request_header(asked.unwrap().frame).unwrap().0;
        assert_eq!(correlation_id(&c.frame), Ok(header.correlation_id), "{c}");
    }
}

#[test]
fn frames_cut_short_or_with_a_byte_too_many_are_refused() {
    for c in all() {
        let longer = [&c.frame[..], &[0]].concat();
        let wrong = Captured { frame: longer.into(), ..c.clone() };
        assert!(check(&wrong).is_err(), "{c} with a byte more");
        for len in 6..c.frame.len() {
            let cut = Captured { frame: c.frame.slice(..len), ..c.clone() };
            assert!(check(&cut).is_err(), "{c} cut at {len}");
        }
    }
}
