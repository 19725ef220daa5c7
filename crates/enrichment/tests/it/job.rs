use lumina_enrichment::job::{IllegalTransition, JobEvent, JobStatus};
use proptest::prelude::*;

use JobStatus::{Enriched, Failed, NotFound, Pending, Stale, Submitted};

const RETRY: JobEvent = JobEvent::Retried { may_pay_twice: false };
const RETRY_TWICE: JobEvent = JobEvent::Retried { may_pay_twice: true };

/// What each event makes of `[pending, submitted, enriched, not_found, failed, stale]`; `None` where it is refused.
#[test]
fn every_event_in_every_state() {
    let table: [(JobEvent, [Option<JobStatus>; 6]); 8] = [
        (
            JobEvent::Submitted,
            [Some(Submitted), Some(Submitted), None, None, None, None],
        ),
        (JobEvent::Found, [Some(Enriched); 6]),
        (
            JobEvent::NotFound,
            [
                Some(NotFound),
                Some(NotFound),
                Some(Enriched),
                Some(NotFound),
                Some(Failed),
                Some(NotFound),
            ],
        ),
        (
            JobEvent::NotLookedAt,
            [
                Some(Pending),
                Some(Pending),
                Some(Enriched),
                Some(NotFound),
                Some(Failed),
                Some(Pending),
            ],
        ),
        (
            JobEvent::Refused,
            [
                Some(Failed),
                Some(Failed),
                Some(Enriched),
                Some(NotFound),
                Some(Failed),
                Some(Stale),
            ],
        ),
        (
            JobEvent::RunEnded,
            [
                Some(Pending),
                Some(Stale),
                Some(Enriched),
                Some(NotFound),
                Some(Failed),
                Some(Stale),
            ],
        ),
        (RETRY, [None, None, None, None, Some(Pending), None]),
        (RETRY_TWICE, [None, None, None, None, Some(Pending), Some(Pending)]),
    ];
    for (event, row) in table {
        for (status, expected) in JobStatus::ALL.into_iter().zip(row) {
            assert_eq!(status.apply(event).ok(), expected, "{status} + {event:?}");
        }
    }
}

#[test]
fn refusals_say_why() {
    let rows = [
        (Stale, RETRY, IllegalTransition::RetryStale),
        (NotFound, RETRY_TWICE, IllegalTransition::Retry(NotFound)),
        (Stale, JobEvent::Submitted, IllegalTransition::SubmitEnded(Stale)),
    ];
    for (status, event, expected) in rows {
        assert_eq!(status.apply(event), Err(expected));
    }
    assert_eq!(
        IllegalTransition::SubmitEnded(Stale).to_string(),
        "this job is stale: it must not be sent to the provider again"
    );
}

#[test]
fn the_stored_form_comes_back() {
    let forms = ["pending", "submitted", "enriched", "not_found", "failed", "stale"];
    assert_eq!(JobStatus::ALL.map(JobStatus::as_str), forms);
    for status in JobStatus::ALL {
        assert_eq!(status.to_string().parse(), Ok(status));
        assert_ne!(status.is_open(), status.is_end());
        assert!(status.is_open() || !status.is_claimable());
    }
    assert!("done".parse::<JobStatus>().is_err());
}

fn event() -> impl Strategy<Value = JobEvent> {
    prop_oneof![
        Just(JobEvent::Submitted),
        Just(JobEvent::Found),
        Just(JobEvent::NotFound),
        Just(JobEvent::NotLookedAt),
        Just(JobEvent::Refused),
        Just(JobEvent::RunEnded),
        any::<bool>().prop_map(|may_pay_twice| JobEvent::Retried { may_pay_twice }),
    ]
}

fn is_retry(event: JobEvent) -> bool {
    matches!(event, JobEvent::Retried { .. })
}

fn play(events: &[JobEvent]) -> Vec<JobStatus> {
    let mut seen = vec![Pending];
    for event in events {
        let now = seen[seen.len() - 1];
        seen.push(now.apply(*event).unwrap_or(now));
    }
    seen
}

proptest! {
    #[test]
    fn nothing_overwrites_enriched(events in prop::collection::vec(event(), 0..30)) {
        let seen = play(&events);
        let first = seen.iter().position(|status| *status == Enriched).unwrap_or(seen.len());
        prop_assert!(seen[first..].iter().all(|status| *status == Enriched));
        prop_assert_eq!(first < seen.len(), events.contains(&JobEvent::Found));
    }

    #[test]
    fn an_unanswered_lookup_is_claimed_again_only_by_leave(events in prop::collection::vec(event(), 0..30)) {
        let seen = play(&events);
        for (index, pair) in seen.windows(2).enumerate() {
            // Or when it is answered after all: that nobody looked, and nothing was charged.
            if pair[0] == Stale && pair[1].is_open() {
                prop_assert!([RETRY_TWICE, JobEvent::NotLookedAt].contains(&events[index]));
            } else if pair[0].is_end() && pair[1].is_open() {
                prop_assert!(is_retry(events[index]));
            }
        }
    }

    #[test]
    fn a_repeated_answer_changes_nothing(status in prop::sample::select(JobStatus::ALL.to_vec()), event in event()) {
        if is_retry(event) { return Ok(()) }
        if let Ok(once) = status.apply(event) {
            prop_assert_eq!(once.apply(event), Ok(once));
        }
    }
}
