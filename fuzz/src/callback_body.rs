//! Any bytes as the body of a callback that is rightly signed: reading and judging them does not panic, and what a
//! strict reader finds in them, ours finds as well. So no record that can be read is lost.

use std::sync::LazyLock;

use bytes::Bytes;
use lumina::records::{JobAnswer, JobId, Subject};
use lumina::workflows::judge;
use lumina_enrichment::icp::IcpProfile;
use lumina_fullenrich::result::{Record, ResultHead};
use lumina_fullenrich::{Answer, EnrichmentResult};
use serde_json::Value;

/// How many records are read of a body; see the reader's own limit.
const RECORDS: usize = 500;

static PROFILE: LazyLock<IcpProfile> = LazyLock::new(IcpProfile::default);

/// Panics when something is wrong.
pub fn check(body: &[u8]) {
    let strict: Option<Value> = serde_json::from_slice(body).ok().filter(Value::is_object);
    let Ok(answer) = Answer::parse(Bytes::copy_from_slice(body)) else {
        assert!(strict.is_none(), "a whole object is refused");
        assert!(
            ResultHead::parse(body).is_err(),
            "what is nothing as a whole has no head"
        );
        return;
    };
    let head = ResultHead::parse(body).ok();
    assert_eq!(head, Some((&answer).into()), "the head alone says what the whole says");
    assert_eq!(&answer.raw()[..], body, "the body is kept as it came");
    let judged = judge(answer.result(), &PROFILE).records;
    judged.iter().for_each(|(_, answer)| check_lead(answer));
    if let Some(strict) = strict {
        compare(answer.result(), &judged, &strict);
    }
}

fn check_lead(answer: &JobAnswer) {
    let JobAnswer::Found(lead) = answer else { return };
    assert!(lead.icp_score <= 100, "a score is a part of a hundred");
    assert!(lead.icp_reasons.iter().all(|reason| !reason.trim().is_empty()));
    let is_blank = |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
    assert!(
        ![&lead.full_name, &lead.title, &lead.linkedin_url]
            .into_iter()
            .any(is_blank)
    );
    // The largest number that a column holds.
    assert!(lead.company.headcount.is_none_or(|count| i64::try_from(count).is_ok()));
}

fn compare(result: &EnrichmentResult, judged: &[(Subject, JobAnswer)], strict: &Value) {
    let status = strict["status"]
        .as_str()
        .unwrap_or_default()
        .trim()
        .to_ascii_uppercase();
    let is_final = ["FINISHED", "CANCELED", "CANCELLED", "CREDITS_INSUFFICIENT"].contains(&status.as_str());
    assert_eq!(result.is_final(), is_final, "{status}");
    if let Some(id) = strict["id"].as_str().filter(|id| is_plain(id)) {
        assert_eq!(
            result.id.as_ref().map(lumina_fullenrich::EnrichmentId::as_str),
            Some(id)
        );
    }
    if let Some(credits) = strict["cost"]["credits"]
        .as_u64()
        .filter(|credits| u32::try_from(*credits).is_ok())
    {
        assert_eq!(result.credits(), Some(credits));
    }
    let records = strict["data"].as_array().into_iter().flatten();
    let records: Vec<&Value> = records.filter(|record| record.is_object()).take(RECORDS).collect();
    assert_eq!(
        result.data.len(),
        records.len(),
        "no record is lost, and none is made up"
    );
    for (read, strict) in result.data.iter().zip(records) {
        compare_record(read, judged, strict);
    }
}

fn is_plain(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn compare_record(read: &Record, judged: &[(Subject, JobAnswer)], strict: &Value) {
    let custom = strict["custom"].as_object();
    for (key, value) in custom.into_iter().flatten() {
        if let Some(text) = value.as_str() {
            assert_eq!(read.custom.get(key).map(String::as_str), Some(text), "{key}");
        }
    }
    compare_text(&read.input.email, &strict["input"]["email"]);
    let is_found = says_something(&strict["profile"]);
    if is_found {
        let person = read.profile.as_ref().expect("a person who was found is not lost");
        compare_text(&person.full_name, &strict["profile"]["full_name"]);
        compare_text(&person.headline, &strict["profile"]["headline"]);
    }
    let Some(job) = strict["custom"]["lumina_job"].as_str().and_then(|job| job.parse().ok()) else {
        return;
    };
    let mut of_job = judged
        .iter()
        .filter(|(subject, _)| *subject == Subject::Job(JobId(job)));
    let says_found = |(_, answer): &(Subject, JobAnswer)| matches!(answer, JobAnswer::Found(_));
    assert!(
        !is_found || of_job.clone().any(says_found),
        "a person who was found is judged so"
    );
    assert!(of_job.next().is_some(), "a job that is named is judged");
}

fn compare_text(read: &Option<String>, strict: &Value) {
    let text = strict.as_str().filter(|text| !text.trim().is_empty());
    assert_eq!(read.as_deref(), text);
}

/// Whether a profile holds anything; texts of nothing but blanks aside, which are nothing to one reader only.
fn says_something(profile: &Value) -> bool {
    let something = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    };
    profile
        .as_object()
        .is_some_and(|members| members.values().any(something))
}
