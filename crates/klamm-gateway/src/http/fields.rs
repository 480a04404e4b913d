//! Pure: the headers of a request as [`format`](crate::format) reads them.

use http::HeaderMap;
use http::HeaderValue;
use http::header::Iter;

/// Names in lower case and values, in order; a clone begins with the first again.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    headers: &'a HeaderMap,
    rest: Iter<'a, HeaderValue>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        Self { headers, rest: headers.iter() }
    }
}

impl Clone for Fields<'_> {
    fn clone(&self) -> Self {
        Self::of(self.headers)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.rest.next()?;
        Some((name.as_str(), value.as_bytes()))
    }
}
