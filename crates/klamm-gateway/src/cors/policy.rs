//! Pure: what pages of other origins may do (CORS, as the Fetch standard has it).

use super::origins::Origins;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::time::Duration;
use thiserror::Error;

/// What pages of other origins may do on a route.
#[derive(Debug, Clone)]
pub struct CorsConfig {
    /// Which origins.
    pub origins: Origins,
    /// With which methods.
    pub methods: Vec<Method>,
    /// With which headers, beyond those that are always allowed.
    pub headers: AllowedHeaders,
    /// Which headers of the answer they may see, beyond those that they always may.
    pub exposed: Vec<HeaderName>,
    /// Whether cookies and the browser's logins come along.
    pub credentials: bool,
    /// For how long a browser may remember that it has asked.
    pub max_age: Option<Duration>,
}

/// Nobody, POST, no header of their own.
impl Default for CorsConfig {
    fn default() -> Self {
        Self {
            origins: Origins::none(),
            methods: vec![Method::POST],
            headers: AllowedHeaders::Some(Vec::new()),
            exposed: Vec::new(),
            credentials: false,
            max_age: None,
        }
    }
}

/// Which headers pages may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedHeaders {
    /// Whatever they ask for.
    All,
    /// These.
    Some(Vec<HeaderName>),
}

/// Why a policy is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WrongCors {
    /// Every page on the web could then act for whoever is logged in.
    #[error("credentials are for origins that are listed, not for all of them")]
    CredentialsForAll,
    /// A value that no header can carry.
    #[error("a method or a header has no form that an answer could carry")]
    Form,
}

/// A page may not do what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RefusedOrigin {
    /// Its origin is not allowed.
    #[error("pages of this origin may not use this path")]
    Origin,
    /// The method is not allowed.
    #[error("pages may not use this method here")]
    Method,
    /// A header is not allowed.
    #[error("pages may not send this header here")]
    Header,
}

/// A policy with its answers written out.
#[derive(Debug, Clone)]
pub struct Cors {
    config: CorsConfig,
    methods: HeaderValue,
    headers: HeaderValue,
    exposed: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
}

impl Cors {
    /// Writes the answers of a policy.
    ///
    /// # Errors
    /// [`WrongCors`]
    pub fn new(config: CorsConfig) -> Result<Self, WrongCors> {
        if config.credentials && config.origins.is_all() {
            return Err(WrongCors::CredentialsForAll);
        }
        let list =
            |names: &[&str]| HeaderValue::from_str(&names.join(", ")).map_err(|_| WrongCors::Form);
        let names =
            |all: &[HeaderName]| list(&all.iter().map(HeaderName::as_str).collect::<Vec<_>>());
        let methods = list(&config.methods.iter().map(Method::as_str).collect::<Vec<_>>())?;
        let headers = match &config.headers {
            AllowedHeaders::All => HeaderValue::from_static(""),
            AllowedHeaders::Some(all) => names(all)?,
        };
        let exposed = (!config.exposed.is_empty()).then(|| names(&config.exposed)).transpose()?;
        let max_age = config.max_age.map(|age| HeaderValue::from(age.as_secs()));
        Ok(Self { config, methods, headers, exposed, max_age })
    }

    /// The headers of the answer if this request asks beforehand, which has no body and status 204; none if it does not ask.
    /// Who asks shows no credentials, so it is answered before a guard is.
    ///
    /// # Errors
    /// The page may not: 403. [`Cors::vary`] belongs to that answer too.
    pub fn preflight(
        &self,
        method: &Method,
        request: &HeaderMap,
    ) -> Option<Result<HeaderMap, RefusedOrigin>> {
        let origin = request.get(ORIGIN).filter(|_| method == Method::OPTIONS)?;
        let wanted = request.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        Some(self.answer(origin, wanted, request.get(ACCESS_CONTROL_REQUEST_HEADERS)))
    }

    fn answer(
        &self,
        origin: &HeaderValue,
        method: &HeaderValue,
        headers: Option<&HeaderValue>,
    ) -> Result<HeaderMap, RefusedOrigin> {
        let allowed = self.allowed(origin).ok_or(RefusedOrigin::Origin)?;
        if !self.config.methods.iter().any(|one| one.as_str().as_bytes() == method.as_bytes()) {
            return Err(RefusedOrigin::Method);
        }
        let headers = self.headers(headers).ok_or(RefusedOrigin::Header)?;
        let mut answer = HeaderMap::new();
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        if !headers.is_empty() {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers);
        }
        if let Some(age) = &self.max_age {
            answer.insert(ACCESS_CONTROL_MAX_AGE, age.clone());
        }
        self.credentials(&mut answer);
        Self::vary(&mut answer);
        Ok(answer)
    }

    /// Adds to the answer to any other request what the page's browser looks for, whatever the status is.
    pub fn decorate(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        if !self.config.origins.is_all() {
            // What is stored for one origin is not for another.
            answer.append(VARY, HeaderValue::from_static("origin"));
        }
        let Some(allowed) = request.get(ORIGIN).and_then(|origin| self.allowed(origin)) else {
            return;
        };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if let Some(exposed) = &self.exposed {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
        self.credentials(answer);
    }

    /// What an answer to a request that asks beforehand depends on.
    pub fn vary(answer: &mut HeaderMap) {
        let all = "origin, access-control-request-method, access-control-request-headers";
        answer.append(VARY, HeaderValue::from_static(all));
    }

    /// What stands in the answer for this origin.
    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        if self.config.origins.is_all() {
            return Some(HeaderValue::from_static("*"));
        }
        let text = origin.to_str().ok()?;
        self.config.origins.has(text).then(|| origin.clone())
    }

    fn headers(&self, wanted: Option<&HeaderValue>) -> Option<HeaderValue> {
        match (&self.config.headers, wanted) {
            // A star would not do: it means no header that carries credentials.
            (AllowedHeaders::All, Some(wanted)) => Some(wanted.clone()),
            (AllowedHeaders::All, None) => Some(self.headers.clone()),
            (AllowedHeaders::Some(all), wanted) => {
                let text = wanted.map_or(Ok(""), HeaderValue::to_str).ok()?;
                let mut names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
                let known =
                    |name: &str| all.iter().any(|one| name.eq_ignore_ascii_case(one.as_str()));
                names.all(known).then(|| self.headers.clone())
            }
        }
    }

    fn credentials(&self, answer: &mut HeaderMap) {
        if self.config.credentials {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], headers: AllowedHeaders, credentials: bool) -> Cors {
        let config = CorsConfig {
            origins: Origins::parse(origins).unwrap(),
            methods: vec![Method::POST, Method::PUT],
            headers,
            exposed: vec![HeaderName::from_static("klamm-id")],
            credentials,
            max_age: Some(Duration::from_secs(600)),
        };
        Cors::new(config).unwrap()
    }

    fn listed() -> AllowedHeaders {
        AllowedHeaders::Some(["content-type", "x-api-key"].map(HeaderName::from_static).to_vec())
    }

    fn request(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    fn ask(
        cors: &Cors,
        origin: &'static str,
        method: &'static str,
        headers: &'static str,
    ) -> Result<HeaderMap, RefusedOrigin> {
        let pairs = [
            ("origin", origin),
            ("access-control-request-method", method),
            ("access-control-request-headers", headers),
        ];
        cors.preflight(&Method::OPTIONS, &request(&pairs)).unwrap()
    }

    fn shown(answer: &HeaderMap) -> Vec<(String, String)> {
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let mut all: Vec<_> = answer.iter().map(text).collect();
        all.sort();
        all
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_page_that_asks_is_told_what_it_may() {
        let cors = cors(&["https://*.example.com"], listed(), true);
        let answer = ask(&cors, "https://a.example.com", "POST", "Content-Type,X-API-Key").unwrap();
        let expected = [
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-headers", "content-type, x-api-key"),
            ("access-control-allow-methods", "POST, PUT"),
            ("access-control-allow-origin", "https://a.example.com"),
            ("access-control-max-age", "600"),
            ("vary", "origin, access-control-request-method, access-control-request-headers"),
        ];
        assert_eq!(shown(&answer), pairs(&expected));
        let refused = [
            (ask(&cors, "https://example.com", "POST", ""), RefusedOrigin::Origin),
            (ask(&cors, "null", "POST", ""), RefusedOrigin::Origin),
            (ask(&cors, "https://a.example.com", "DELETE", ""), RefusedOrigin::Method),
            (ask(&cors, "https://a.example.com", "post", ""), RefusedOrigin::Method),
            (ask(&cors, "https://a.example.com", "PUT", "x-other"), RefusedOrigin::Header),
        ];
        for (answer, why) in refused {
            assert_eq!(answer.unwrap_err(), why);
        }
    }

    #[test]
    fn everybody_gets_a_star_and_the_headers_they_want() {
        let cors = cors(&["*"], AllowedHeaders::All, false);
        let answer = ask(&cors, "null", "PUT", "authorization").unwrap();
        assert_eq!(answer["access-control-allow-origin"], "*");
        assert_eq!(answer["access-control-allow-headers"], "authorization");
        assert!(!answer.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn what_asks_nothing_is_no_preflight() {
        let cors = cors(&["*"], listed(), false);
        let asks = request(&[("origin", "null"), ("access-control-request-method", "POST")]);
        assert!(cors.preflight(&Method::OPTIONS, &asks).is_some());
        assert!(cors.preflight(&Method::POST, &asks).is_none());
        for missing in ["origin", "access-control-request-method"] {
            let mut some = asks.clone();
            some.remove(missing);
            assert!(cors.preflight(&Method::OPTIONS, &some).is_none(), "{missing}");
        }
    }

    #[test]
    fn other_answers_say_who_may_see_them() {
        let page = request(&[("origin", "https://a.example.com")]);
        let stranger = request(&[("origin", "https://b.example")]);
        let decorated = |cors: &Cors, request: &HeaderMap| {
            let mut answer = HeaderMap::new();
            cors.decorate(request, &mut answer);
            shown(&answer)
        };
        let some = cors(&["https://a.example.com"], listed(), true);
        let expected = [
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-origin", "https://a.example.com"),
            ("access-control-expose-headers", "klamm-id"),
            ("vary", "origin"),
        ];
        assert_eq!(decorated(&some, &page), pairs(&expected));
        assert_eq!(decorated(&some, &stranger), pairs(&[("vary", "origin")]));
        assert_eq!(decorated(&some, &HeaderMap::new()), pairs(&[("vary", "origin")]));
        let all = cors(&["*"], listed(), false);
        let expected =
            [("access-control-allow-origin", "*"), ("access-control-expose-headers", "klamm-id")];
        assert_eq!(decorated(&all, &stranger), pairs(&expected));
        assert_eq!(decorated(&all, &HeaderMap::new()), []);
    }

    #[test]
    fn credentials_for_everybody_are_refused() {
        let config =
            CorsConfig { origins: Origins::all(), credentials: true, ..CorsConfig::default() };
        assert_eq!(Cors::new(config).unwrap_err(), WrongCors::CredentialsForAll);
        assert!(!CorsConfig::default().origins.has("null"));
    }
}
