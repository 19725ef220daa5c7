//! From replies to outcomes. Pure functions: a table of statuses and bodies tests them all.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::outcome::{Balance, CallError, ReadOutcome, Reason, StartOutcome, TryLater, Workspace};
use crate::reply::Reply;
use crate::result::lenient;
use crate::{Answer, BatchStatus, EnrichmentId, TransportError};

type Sent = Result<Reply, TransportError>;

/// A batch's POST. What is not known to be refused or not to be accepted is unknown.
pub(crate) fn start_outcome(sent: Sent) -> StartOutcome {
    let reply = match sent {
        Ok(reply) => reply,
        Err(TransportError::NotSent { detail }) => return StartOutcome::NotAccepted(not_sent(detail)),
        Err(TransportError::Unknown { detail, status }) => {
            return StartOutcome::Unknown {
                reason: Reason::AnswerLost(detail),
                code: status,
            };
        }
    };
    match reply.code {
        429 | 503 => StartOutcome::NotAccepted(try_later(&reply)),
        _ if reply.is_success() => accepted(&reply),
        _ if reply.is_client_error() => StartOutcome::Refused(reply.refusal()),
        code => StartOutcome::Unknown {
            reason: status_reason(&reply),
            code: Some(code),
        },
    }
}

fn accepted(reply: &Reply) -> StartOutcome {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Started {
        #[serde(deserialize_with = "lenient::text")]
        enrichment_id: Option<String>,
    }
    let started: Option<Started> = lenient::parse_object(&reply.body);
    let id = started.and_then(|started| started.enrichment_id);
    match id.and_then(|id| EnrichmentId::parse(&id).ok()) {
        Some(enrichment_id) => StartOutcome::Accepted { enrichment_id },
        None => StartOutcome::Unknown {
            reason: unreadable(reply, "no enrichment_id in it"),
            code: Some(reply.code),
        },
    }
}

/// A batch's GET. Reading changes nothing, so whatever is not an answer may be asked again.
pub(crate) fn read_outcome(id: &EnrichmentId, sent: Sent) -> ReadOutcome {
    let reply = match sent {
        Ok(reply) => reply,
        Err(error) => return ReadOutcome::NotAnswered(lost(error)),
    };
    match reply.code {
        402 => short_of_credits(id, &reply),
        429 | 408 | 425 => ReadOutcome::NotAnswered(try_later(&reply)),
        _ if reply.is_success() => result_outcome(id, &reply),
        _ if reply.is_client_error() => read_refusal(&reply),
        _ => ReadOutcome::NotAnswered(try_later(&reply)),
    }
}

fn read_refusal(reply: &Reply) -> ReadOutcome {
    let refusal = reply.refusal();
    let error_code = refusal.error_code.as_deref().unwrap_or_default();
    if error_code == "error.enrichment.in_progress" {
        return ReadOutcome::Running { status: None };
    }
    // A 404 that is not FullEnrich's own comes from a wrong base URL or a proxy and says nothing about the batch.
    if reply.code == 404 && error_code.ends_with(".not_found") {
        return ReadOutcome::NotFound(refusal);
    }
    ReadOutcome::Refused(refusal)
}

fn result_outcome(id: &EnrichmentId, reply: &Reply) -> ReadOutcome {
    match read_answer(id, reply) {
        Ok(answer) => by_status(answer),
        Err(detail) => ReadOutcome::NotAnswered(unreadable_later(reply, &detail)),
    }
}

/// 402 comes with the result body. Its status decides; only where it has none does the 402 speak for itself. A 402
/// without a result body says that the account has a problem, not that the batch has ended.
fn short_of_credits(id: &EnrichmentId, reply: &Reply) -> ReadOutcome {
    match read_answer(id, reply) {
        Ok(answer) if answer.result().status.is_some() => by_status(answer),
        Ok(answer) if !answer.result().data.is_empty() => ReadOutcome::CreditsInsufficient(answer),
        _ => ReadOutcome::Refused(reply.refusal()),
    }
}

fn by_status(answer: Answer) -> ReadOutcome {
    match &answer.result().status {
        Some(BatchStatus::Finished) => ReadOutcome::Finished(answer),
        Some(BatchStatus::CreditsInsufficient) => ReadOutcome::CreditsInsufficient(answer),
        Some(BatchStatus::Canceled) => ReadOutcome::Canceled(answer),
        status => ReadOutcome::Running { status: status.clone() },
    }
}

fn read_answer(id: &EnrichmentId, reply: &Reply) -> Result<Answer, String> {
    let answer = Answer::parse(reply.body.clone()).map_err(|error| error.to_string())?;
    match &answer.result().id {
        Some(other) if !other.as_str().eq_ignore_ascii_case(id.as_str()) => {
            Err(format!("it is the result of another batch, {other}"))
        }
        _ => Ok(answer),
    }
}

pub(crate) fn workspace(sent: Sent) -> Result<Workspace, CallError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Verified {
        #[serde(deserialize_with = "lenient::text")]
        workspace_id: Option<String>,
    }
    let reply = sent.map_err(lost)?;
    let verified: Verified = account_answer(&reply)?;
    Ok(Workspace {
        workspace_id: verified.workspace_id,
    })
}

pub(crate) fn balance(sent: Sent) -> Result<Balance, CallError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Credits {
        #[serde(deserialize_with = "lenient::number")]
        balance: Option<f64>,
    }
    let reply = sent.map_err(lost)?;
    let credits: Credits = account_answer(&reply)?;
    match credits.balance {
        Some(credits) => Ok(Balance { credits }),
        None => Err(unreadable_later(&reply, "no balance in it").into()),
    }
}

fn account_answer<T: DeserializeOwned>(reply: &Reply) -> Result<T, CallError> {
    match reply.code {
        429 | 408 | 425 => Err(try_later(reply).into()),
        _ if reply.is_success() => {
            lenient::parse_object(&reply.body).ok_or_else(|| unreadable_later(reply, "it is no JSON object").into())
        }
        _ if reply.is_client_error() => Err(reply.refusal().into()),
        _ => Err(try_later(reply).into()),
    }
}

fn not_sent(detail: String) -> TryLater {
    TryLater {
        reason: Reason::NotSent(detail),
        code: None,
        retry_after: None,
    }
}

fn lost(error: TransportError) -> TryLater {
    match error {
        TransportError::NotSent { detail } => not_sent(detail),
        TransportError::Unknown { detail, status } => TryLater {
            reason: Reason::AnswerLost(detail),
            code: status,
            retry_after: None,
        },
    }
}

fn try_later(reply: &Reply) -> TryLater {
    TryLater {
        reason: status_reason(reply),
        code: Some(reply.code),
        retry_after: reply.retry_after,
    }
}

fn status_reason(reply: &Reply) -> Reason {
    match reply.code {
        429 => Reason::RateLimited,
        code => Reason::Status {
            code,
            message: reply.message(),
        },
    }
}

fn unreadable_later(reply: &Reply, detail: &str) -> TryLater {
    TryLater {
        reason: unreadable(reply, detail),
        code: Some(reply.code),
        retry_after: reply.retry_after,
    }
}

fn unreadable(reply: &Reply, detail: &str) -> Reason {
    Reason::Unreadable {
        code: reply.code,
        detail: detail.to_owned(),
    }
}
