//! A batch to be looked up, checked against FullEnrich's documented limits before it is sent.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Uri;
use serde::Serialize;

/// A batch holds 1 to 100 items; above that FullEnrich refuses it.
pub const MAX_BATCH_ITEMS: usize = 100;
/// An item carries at most 10 custom keys.
pub const MAX_CUSTOM_KEYS: usize = 10;
/// A custom value has at most 100 characters.
pub const MAX_CUSTOM_VALUE_CHARS: usize = 100;

/// What is wrong with a batch that was never sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A batch without a name.
    #[error("the batch has no name: FullEnrich requires one and shows it in its dashboard")]
    NoName,
    /// A batch without items.
    #[error("the batch is empty: give it at least one address")]
    NoItems,
    /// More items than a batch may hold.
    #[error("the batch holds {count} addresses and FullEnrich takes at most {MAX_BATCH_ITEMS}: split it")]
    TooManyItems {
        /// How many there are.
        count: usize,
    },
    /// An address that is none.
    #[error("an item has no usable email address: it must not be empty and needs an @ sign")]
    NoAddress,
    /// The same address, whatever its case, twice in one batch. Both would be charged.
    #[error("item {second} repeats the address of item {first}, and both would be charged: leave one out")]
    RepeatedAddress {
        /// The first one's place in the batch, from 0.
        first: usize,
        /// The repetition's place in the batch, from 0.
        second: usize,
    },
    /// More custom keys than an item may carry.
    #[error("an item carries more than {MAX_CUSTOM_KEYS} custom keys, '{key}' being one too many: leave some out")]
    TooManyCustomKeys {
        /// The first key above the limit.
        key: String,
    },
    /// A custom value without a key.
    #[error("an item has a custom value whose key is empty: give it a name")]
    NoCustomKey,
    /// A custom value that is too long.
    #[error(
        "the custom value of '{key}' has {chars} characters and FullEnrich takes at most {MAX_CUSTOM_VALUE_CHARS}: \
         shorten it"
    )]
    CustomValueTooLong {
        /// Its key.
        key: String,
        /// Its length in characters.
        chars: usize,
    },
    /// A webhook address that FullEnrich could not call.
    #[error("the webhook address '{url}' cannot be called: give a full http:// or https:// URL")]
    BadWebhookUrl {
        /// The address as given.
        url: String,
    },
}

/// One address to be looked up, and what is to come back with its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LookupItem {
    email: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    custom: BTreeMap<String, String>,
}

impl LookupItem {
    /// An address, personal or work. It is sent as it is; cleaning it is the caller's business.
    ///
    /// # Errors
    /// [`RequestError::NoAddress`] when it is empty or has no `@`, which would have the whole batch refused.
    pub fn new(email: impl Into<String>) -> Result<Self, RequestError> {
        let email = email.into();
        if !email.trim().contains('@') {
            return Err(RequestError::NoAddress);
        }
        Ok(Self {
            email,
            custom: BTreeMap::new(),
        })
    }

    /// Adds a value that comes back with the result as it was sent. Giving a key again replaces its value.
    ///
    /// # Errors
    /// [`RequestError`] when the key is empty or the eleventh, or the value has more than 100 characters.
    pub fn with_custom(mut self, key: impl Into<String>, value: impl Into<String>) -> Result<Self, RequestError> {
        let (key, value) = (key.into(), value.into());
        let chars = value.chars().count();
        if key.is_empty() {
            return Err(RequestError::NoCustomKey);
        }
        if chars > MAX_CUSTOM_VALUE_CHARS {
            return Err(RequestError::CustomValueTooLong { key, chars });
        }
        if self.custom.len() == MAX_CUSTOM_KEYS && !self.custom.contains_key(&key) {
            return Err(RequestError::TooManyCustomKeys { key });
        }
        self.custom.insert(key, value);
        Ok(self)
    }

    /// The address as it is sent.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// The values that come back with the result.
    #[must_use]
    pub fn custom(&self) -> &BTreeMap<String, String> {
        &self.custom
    }
}

/// A batch of addresses, ready to be sent: what it holds has passed every documented limit.
///
/// ```
/// use lumina_fullenrich::{BatchRequest, LookupItem};
///
/// let item = LookupItem::new("nobody@example.com")?.with_custom("job_id", "12585")?;
/// let batch = BatchRequest::new("newsletter", vec![item])?
///     .with_webhook_url("https://lumina.example/api/webhooks/enrichment")?;
/// assert_eq!(batch.items().len(), 1);
/// # Ok::<(), lumina_fullenrich::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BatchRequest {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<String>,
    #[serde(skip_serializing_if = "WebhookEvents::is_empty")]
    webhook_events: WebhookEvents,
    data: Vec<LookupItem>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct WebhookEvents {
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_finished: Option<String>,
}

impl WebhookEvents {
    fn is_empty(&self) -> bool {
        self.contact_finished.is_none()
    }
}

impl BatchRequest {
    /// A batch under the name that FullEnrich's dashboard will show, without webhooks.
    ///
    /// # Errors
    /// [`RequestError`] when the name is blank, there are no items or more than 100, or an address is there twice.
    pub fn new(name: impl Into<String>, items: Vec<LookupItem>) -> Result<Self, RequestError> {
        let name = name.into();
        if name.trim().is_empty() {
            return Err(RequestError::NoName);
        }
        check_items(&items)?;
        Ok(Self {
            name,
            webhook_url: None,
            webhook_events: WebhookEvents::default(),
            data: items,
        })
    }

    /// Has `url` called once, when the whole batch has ended.
    ///
    /// # Errors
    /// [`RequestError::BadWebhookUrl`] when it is no full http or https URL.
    pub fn with_webhook_url(mut self, url: impl Into<String>) -> Result<Self, RequestError> {
        self.webhook_url = Some(check_url(url.into())?);
        Ok(self)
    }

    /// Has `url` called for each contact when its lookup has ended. Nothing in the body tells this event from the
    /// batch's, so give it a URL of its own.
    ///
    /// # Errors
    /// [`RequestError::BadWebhookUrl`] when it is no full http or https URL.
    pub fn with_contact_webhook_url(mut self, url: impl Into<String>) -> Result<Self, RequestError> {
        self.webhook_events.contact_finished = Some(check_url(url.into())?);
        Ok(self)
    }

    /// The name of the batch.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The addresses, in the order they are sent in.
    #[must_use]
    pub fn items(&self) -> &[LookupItem] {
        &self.data
    }

    /// The body of the request, the same bytes for the same batch.
    #[must_use]
    pub fn to_body(&self) -> Bytes {
        serde_json::to_vec(self)
            .expect("strings and maps with string keys are always JSON")
            .into()
    }
}

fn check_items(items: &[LookupItem]) -> Result<(), RequestError> {
    match items.len() {
        0 => Err(RequestError::NoItems),
        count if count > MAX_BATCH_ITEMS => Err(RequestError::TooManyItems { count }),
        _ => check_repeats(items),
    }
}

fn check_repeats(items: &[LookupItem]) -> Result<(), RequestError> {
    let mut seen = BTreeMap::new();
    for (second, item) in items.iter().enumerate() {
        if let Some(first) = seen.insert(item.email.trim().to_lowercase(), second) {
            return Err(RequestError::RepeatedAddress { first, second });
        }
    }
    Ok(())
}

fn check_url(url: String) -> Result<String, RequestError> {
    if is_web_address(&url) {
        Ok(url)
    } else {
        Err(RequestError::BadWebhookUrl { url })
    }
}

/// A full URL with scheme http or https and a host.
pub(crate) fn is_web_address(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    has_host && matches!(uri.scheme_str(), Some("http" | "https"))
}
