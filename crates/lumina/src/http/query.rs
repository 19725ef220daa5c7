//! Parameters of the query and the path, read one by one, so that a refusal names the one that is wrong.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use http::Uri;
use http::request::Parts;

use super::error::{ApiError, not_found};

/// The parameters of a request, by name.
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads a query that may hold these.
    ///
    /// # Errors
    /// When it is malformed, or holds another parameter or one of them twice: a misspelt limit that is passed over
    /// would be none.
    pub fn read(uri: &Uri, known: &[&str]) -> Result<Self, ApiError> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| ApiError::invalid_query("query", "it is not a list of name=value"))?;
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs.0 {
            if !known.contains(&name.as_str()) {
                let name: String = name.chars().take(50).collect();
                let problem = format!("there is no such parameter here; there are {}", known.join(", "));
                return Err(ApiError::invalid_query(&name, problem));
            }
            if parameters.insert(name.clone(), value).is_some() {
                return Err(ApiError::invalid_query(&name, "it is given twice"));
            }
        }
        Ok(Self(parameters))
    }

    /// A parameter, if it is given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether something is said to be so; not, unless it is.
    pub fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ApiError::invalid_query(name, "it must be true or false")),
        }
    }

    /// A whole number within these bounds, or this one when it is not given.
    pub fn number<T>(&self, name: &str, allowed: RangeInclusive<T>, default: T) -> Result<T, ApiError>
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.get(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| allowed.contains(number));
        number.ok_or_else(|| {
            let (least, most) = (allowed.start(), allowed.end());
            ApiError::invalid_query(name, format!("it must be a whole number from {least} to {most}"))
        })
    }
}

/// The one parameter of a path. What is no text names nothing.
pub(super) struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(_) => Err(not_found(parts.uri.clone()).await),
        }
    }
}
