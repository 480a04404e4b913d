//! Pure: all routes, and which of them a path is of.

use super::matched::{Matched, Target};
use super::pattern::{Pattern, Template, TemplateError};
use super::rules::{Rules, Source};
use crate::http::{Path, WrongPath, is_topic};
use ::http::Method;
use std::sync::Arc;
use thiserror::Error;

/// How many routes there may be: each request is held against them one by one.
const ROUTES_MAX: usize = 1000;
/// What the paths that are always there are called.
const BUILT_IN: &str = "topics";
/// What the path that reads a topic is called.
const EVENTS: &str = "topics/events";

/// Paths that lead to a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    pub(super) methods: Vec<Method>,
    pub(super) pattern: Pattern,
    pub(super) topic: Template,
    pub(super) rules: Rules,
}

impl Route {
    /// From paths of `pattern` to `topic`, which may have names of the pattern in braces.
    ///
    /// Without a method in `methods`, POST is meant.
    ///
    /// # Errors
    /// [`RouteError`]: a topic that cannot be, or rules that read what there is not.
    pub fn new(
        methods: &[Method],
        pattern: Pattern,
        topic: &str,
        rules: Rules,
    ) -> Result<Self, RouteError> {
        let topic = Template::parse(topic, &pattern).map_err(RouteError::Template)?;
        if topic.fixed().is_some_and(|topic| !is_topic(topic)) {
            return Err(RouteError::Topic);
        }
        if let Some(Source::Path(name)) = &rules.key
            && !pattern.names().any(|named| *named == **name)
        {
            return Err(RouteError::Template(TemplateError::Unknown(name.to_string())));
        }
        let readable = |source: &Source| {
            matches!(source, Source::Header(_) | Source::Query(_) | Source::Json(_))
        };
        if !rules.timestamp.as_ref().is_none_or(readable) {
            return Err(RouteError::Timestamp);
        }
        if rules.partition.is_some_and(|partition| partition < 0) {
            return Err(RouteError::Partition);
        }
        let methods = if methods.is_empty() { vec![Method::POST] } else { methods.to_vec() };
        Ok(Self { methods, pattern, topic, rules })
    }

    /// The methods it is for.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// The paths it is for.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// What becomes of its requests.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }
}

/// Why a route cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouteError {
    /// It reads a part of the path that its pattern has not.
    #[error(transparent)]
    Template(TemplateError),
    /// Kafka allows no topic of this name.
    #[error("{}", WrongPath::Topic)]
    Topic,
    /// Timestamps are in a header, the query or the records.
    #[error("a timestamp is read from a header, the query or JSON")]
    Timestamp,
    /// Negative.
    #[error("{}", WrongPath::Partition)]
    Partition,
    /// Two routes have the same paths and a method in common.
    #[error("the same paths as route {0}")]
    Same(Arc<str>),
    /// Two routes have one name, or a route the name of what is always there.
    #[error("another route is called {0}")]
    Name(Arc<str>),
    /// More than can be.
    #[error("more than {ROUTES_MAX} routes")]
    TooMany,
}

/// Why a request is at no route.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Missed {
    /// Its path names nothing, or wrongly.
    #[error(transparent)]
    Path(#[from] WrongPath),
    /// Its path is right, its method is not: 405.
    #[error("{allow} is what can be done here")]
    Method {
        /// What the `Allow` header says.
        allow: String,
    },
}

/// All routes: those of the configuration, then the paths of [`Path`] if they are served.
#[derive(Debug, Clone, PartialEq)]
pub struct Routes {
    /// The more a pattern says, the earlier it comes.
    routes: Vec<Route>,
    built_in: Option<Rules>,
    events: Option<Rules>,
}

impl Default for Routes {
    /// Nothing but the paths of [`Path`].
    fn default() -> Self {
        Self { routes: Vec::new(), built_in: Some(Self::usual()), events: None }
    }
}

impl Routes {
    /// The rules for the paths of [`Path`] where nothing else is set.
    pub fn usual() -> Rules {
        Rules::new(BUILT_IN)
    }

    /// These routes, and the paths of [`Path`] by the rules of `built_in`, unless there are none.
    ///
    /// # Errors
    /// [`RouteError::Same`], [`RouteError::Name`] or [`RouteError::TooMany`], with the place of the route among `routes`.
    pub fn new(routes: Vec<Route>, built_in: Option<Rules>) -> Result<Self, (usize, RouteError)> {
        if routes.len() > ROUTES_MAX {
            return Err((ROUTES_MAX, RouteError::TooMany));
        }
        for (at, route) in routes.iter().enumerate() {
            let name = &route.rules.name;
            let before = &routes[..at];
            if [BUILT_IN, EVENTS].contains(&&**name)
                || before.iter().any(|other| other.rules.name == *name)
            {
                return Err((at, RouteError::Name(name.clone())));
            }
            let same = |other: &&Route| {
                other.pattern.is_same(&route.pattern)
                    && other.methods.iter().any(|method| route.methods.contains(method))
            };
            if let Some(other) = before.iter().find(same) {
                return Err((at, RouteError::Same(other.rules.name.clone())));
            }
        }
        let mut routes = routes;
        routes.sort_by_key(|route| route.pattern.order());
        Ok(Self { routes, built_in, events: None })
    }

    /// The same, and topics can be read at [`Path::Events`].
    #[must_use]
    pub fn with_events(self) -> Self {
        Self { events: Some(Rules::new(EVENTS)), ..self }
    }

    /// The routes of the configuration, in the order in which they are tried.
    pub fn configured(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }

    /// The rules of all routes: what labels of metrics can say, and which signatures there have to be.
    pub fn rules(&self) -> impl Iterator<Item = &Rules> {
        self.routes.iter().map(Route::rules).chain(&self.built_in).chain(&self.events)
    }

    /// The route of a request: `path` as it came, without its query.
    ///
    /// For the preflight of a browser, `method` is the one it asks for.
    ///
    /// # Errors
    /// [`Missed`].
    pub fn find(&self, method: &Method, path: &str) -> Result<Matched<'_>, Missed> {
        let mut others: Vec<&Method> = Vec::new();
        for route in &self.routes {
            let Some(captured) = route.pattern.capture(path) else { continue };
            if route.methods.contains(method) {
                return configured(route, captured);
            }
            others.extend(&route.methods);
        }
        if !others.is_empty() {
            return Err(not(&others));
        }
        let nowhere = self.built_in.is_none() && self.events.is_none();
        let parsed = if nowhere { Err(WrongPath::Unknown) } else { Path::parse(path) }?;
        let reads = matches!(parsed, Path::Events { .. });
        let rules = if reads { &self.events } else { &self.built_in };
        let rules = rules.as_ref().ok_or(WrongPath::Unknown)?;
        let usual = if reads { Method::GET } else { Method::POST };
        if *method != usual {
            return Err(not(&[&usual]));
        }
        Ok(built_in(rules, parsed))
    }
}

fn configured(route: &Route, captured: Vec<String>) -> Result<Matched<'_>, Missed> {
    let topic = route.topic.fill(&captured);
    if route.topic.fixed().is_none() && !is_topic(&topic) {
        return Err(WrongPath::Topic.into());
    }
    let rules = &route.rules;
    let key = match &rules.key {
        Some(Source::Path(name)) => {
            let named = route.pattern.names().zip(captured);
            named.into_iter().find(|(named, _)| *named == &**name).map(|(_, part)| part)
        }
        _ => None,
    };
    Ok(Matched::new(rules, Target::Topic, topic, rules.partition, key))
}

fn built_in(rules: &Rules, path: Path) -> Matched<'_> {
    let (target, topic, partition) = match path {
        Path::Topic { topic, partition } => (Target::Topic, topic, partition),
        Path::Events { topic } => (Target::Events, topic, None),
        Path::Stream { cluster, topic } => (Target::Stream { cluster }, topic, None),
        Path::Batch { cluster, topic } => (Target::Batch { cluster }, topic, None),
    };
    Matched::new(rules, target, topic.into(), partition.or(rules.partition), None)
}

fn not(allowed: &[&Method]) -> Missed {
    let mut names: Vec<&str> = allowed.iter().map(|method| method.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    Missed::Method { allow: names.join(", ") }
}
