//! Callbacks, written and signed.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use jiff::Timestamp;

use crate::api::render;
use crate::callback::Trickle;
use crate::clock::{later, span_until};
use crate::desk::{Addressee, Desk};
use crate::ledger::{Digest, Sent};
use crate::moods::Mood;
use crate::sandbox::Sandbox;
use crate::signature::{SIGNATURE_HEADER, sign};
use crate::workspace::Batch;

/// A key that signs nothing genuine.
const WRONG_KEY: &str = "not-the-key-of-anybody";

/// One body with its signature.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    pub(crate) sent: Sent,
    pub(crate) sha256: Digest,
    signature: Option<String>,
    body: Bytes,
}

/// One callback. Every attempt sends the same bytes.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) addressee: Addressee,
    /// Attempts made before, by a sandbox that has ended since.
    pub(crate) attempts: u32,
    pub(crate) url: String,
    pub(crate) sheet: Sheet,
    /// What is sent before it, once.
    pub(crate) before: Vec<Sheet>,
    /// How long it is kept back.
    pub(crate) delay: Duration,
    /// How often it is delivered again.
    pub(crate) copies: u32,
    pub(crate) trickle: Option<Trickle>,
}

impl Sheet {
    fn new(sent: Sent, signature: impl FnOnce(&[u8]) -> Option<String>, body: Vec<u8>) -> Self {
        Self {
            sent,
            sha256: Digest::of(&body),
            signature: signature(&body),
            body: Bytes::from(body),
        }
    }
}

impl Letter {
    /// The request that delivers one of its sheets.
    pub(crate) fn request(&self, sheet: &Sheet) -> Result<Request<Bytes>, http::Error> {
        let mut request = Request::post(&self.url).header(header::CONTENT_TYPE, "application/json");
        if let Some(signature) = &sheet.signature {
            request = request.header(SIGNATURE_HEADER, signature);
        }
        if let Some(trickle) = self.trickle.filter(|_| sheet.sent == Sent::Final) {
            request = request.extension(trickle);
        }
        request.body(sheet.body.clone())
    }
}

impl Sandbox {
    /// Writes and signs a callback. None is left to write when its results are no longer kept.
    pub(crate) fn write_letter(&self, addressee: Addressee) -> Option<Letter> {
        let now = self.clock().now();
        let mut desk = self.desk();
        let batch = desk.books.batch(addressee.batch);
        if batch.is_forgotten() {
            return None;
        }
        let (url, sent, body) = match addressee.item {
            Some(item) => (&batch.contact_url, Sent::Contact, render::contact(batch, item)),
            None => (
                &batch.webhook_url,
                Sent::Final,
                render::ended(batch, self.config().unpayable),
            ),
        };
        let mut letter = Letter {
            addressee,
            attempts: batch.callback_of(addressee.item).attempts,
            url: url.clone()?,
            sheet: Sheet::new(sent, |body| self.sign(body), body),
            before: Vec::new(),
            delay: Duration::ZERO,
            copies: 0,
            trickle: None,
        };
        if batch.has(Mood::CallbackDoubled) {
            letter.copies = desk.temper.settings().callback_copies;
        }
        if addressee.item.is_none() {
            self.add_moods(&mut letter, &mut desk, now);
        }
        Some(letter)
    }

    /// What a mood makes of a final callback.
    fn add_moods(&self, letter: &mut Letter, desk: &mut Desk, now: Timestamp) {
        let place = letter.addressee.batch;
        let batch = desk.books.batch(place);
        letter.before = self.extras(batch);
        letter.delay = delay(batch, desk.temper.settings().callback_delay, now);
        letter.trickle = batch.has(Mood::BodiesTrickled).then(|| trickle_of(desk));
        let shown = [
            (Mood::StatusUnknown, Sent::Interim),
            (Mood::CallbackUnsigned, Sent::Unsigned),
            (Mood::CallbackForged, Sent::Forged),
        ];
        for (mood, sent) in shown {
            if letter.before.iter().any(|sheet| sheet.sent == sent) {
                desk.show(place, mood, now);
            }
        }
        if !letter.delay.is_zero() {
            desk.show(place, Mood::CallbackDelayed, now);
        }
        if letter.trickle.is_some() {
            desk.show(place, Mood::BodiesTrickled, now);
        }
        if desk.ledger.flush().is_err() {
            tracing::debug!("a mood is not in the ledger");
        }
    }

    /// What comes before a final callback that has not been tried yet, unless it came before a restart.
    fn extras(&self, batch: &Batch) -> Vec<Sheet> {
        let mut extras = Vec::new();
        if batch.callback.attempts > 0 {
            return extras;
        }
        let is_due = |mood| batch.has(mood) && !batch.shown.contains(&mood);
        if batch.has(Mood::StatusUnknown) && !batch.reached.interim {
            extras.push(Sheet::new(Sent::Interim, |body| self.sign(body), render::odd(batch)));
        }
        if is_due(Mood::CallbackUnsigned) {
            extras.push(Sheet::new(Sent::Unsigned, |_| None, render::forged(batch)));
        }
        if is_due(Mood::CallbackForged) {
            let wrongly = |body: &[u8]| Some(sign(WRONG_KEY, body));
            extras.push(Sheet::new(Sent::Forged, wrongly, render::forged(batch)));
        }
        extras
    }

    fn sign(&self, body: &[u8]) -> Option<String> {
        Some(sign(self.config().api_key.expose(), body))
    }

    /// How bodies are cut up now.
    pub(crate) fn trickle(&self) -> Trickle {
        trickle_of(&self.desk())
    }
}

/// What is left of the time for which a final callback is kept back.
fn delay(batch: &Batch, longest: Duration, now: Timestamp) -> Duration {
    let Some((ended, _)) = batch.ended.filter(|_| batch.has(Mood::CallbackDelayed)) else {
        return Duration::ZERO;
    };
    let tenths = u32::try_from(batch.dice("delay").between(1, 10)).unwrap_or(10);
    span_until(now, later(ended, longest / 10 * tenths))
}

fn trickle_of(desk: &Desk) -> Trickle {
    Trickle {
        pieces: 8,
        pause: desk.temper.settings().trickle_pause,
    }
}
