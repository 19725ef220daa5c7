//! Signs of a batch's life, many at once: each comes to what it would come to alone, whatever happens meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use lumina::records::{
    Allowance, AnswerFate, AnswerId, AnswerSource, Budgets, Channel, NewAnswer, PackedAnswer, Records, Verdicts,
};
use lumina_workflow::store::{Attachment, Change, Member, MemberResult, Outcome, RunQuery, Store, StoreError};
use lumina_workflow::{Payload, RunId, StoreClock};
use lumina_workflow_postgres::{Hook, Options, PostgresStore, Verdict};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use super::alike::{Told, look};
use super::made::{HOUR, answer, new_run, now};
use super::rows::id;
use super::together::{Fleet, unlimited};
use crate::support::{TestRuntime, until};

fn sign(answer: NewAnswer) -> NewAnswer {
    NewAnswer {
        status: Some("IN_PROGRESS".to_owned()),
        is_final: false,
        source: AnswerSource::Contact,
        cost: None,
        ..answer
    }
}

fn store_signs(signs: Vec<NewAnswer>) -> Attachment {
    let packed = signs.into_iter().map(|sign| Arc::new(PackedAnswer::new(sign)));
    Records::store_signs(packed.collect())
}

fn read<T: DeserializeOwned>(result: &MemberResult) -> T {
    match result {
        Ok(Outcome::Done { payload: Some(payload) }) => Payload::decode(payload).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Of a batch that is known, of one that was given up, of one that nobody knows to have been accepted, of strangers;
/// some of them twice. With what each comes to.
fn mixed(told: &mut Told, [known, over, open]: [RunId; 3]) -> Vec<(NewAnswer, AnswerFate)> {
    let plan = [
        (1, "known", None, AnswerFate::Kept),
        (2, "stranger", None, AnswerFate::Unrouted),
        (3, "over", Some((over, 1)), AnswerFate::Late),
        (1, "known", Some((known, 1)), AnswerFate::Duplicate),
        (4, "fresh", None, AnswerFate::Unrouted),
        (5, "fresh", Some((open, 1)), AnswerFate::Kept),
        (6, "fresh", None, AnswerFate::Kept),
        (2, "stranger", None, AnswerFate::Duplicate),
        (7, "over", None, AnswerFate::Late),
        (8, "other", Some((open, 7)), AnswerFate::Unrouted),
        (9, "known", None, AnswerFate::Kept),
    ];
    let made = (1..).zip(plan).map(|(place, (body, enrichment, named, fate))| {
        let mut sign = sign(told.answer(30_000 + body, enrichment, named));
        sign.id = AnswerId(id(40_000 + place));
        sign.late_run.start_key = Some(place.to_string());
        (sign, fate)
    });
    made.collect()
}

async fn tell(mut told: Told, together: bool) -> Vec<String> {
    let allowance = Allowance {
        budgets: Budgets::default(),
        balance: 1_000,
    };
    let runs = told.take_in(Channel::File, 1, 300, u64::MAX).await;
    let runs = [runs[0], runs[1], runs[2]];
    for run in runs {
        told.write("batch", Records::take_batch(run, allowance)).await;
    }
    for (run, name) in runs.into_iter().zip(["known", "over"]) {
        told.write("accept", Records::accept(run, 1, name.to_owned(), now(), HOUR))
            .await;
    }
    told.write("close", Records::close_batch(runs[1], "over".to_owned()))
        .await;
    let (signs, expected): (Vec<_>, Vec<_>) = mixed(&mut told, runs).into_iter().unzip();
    let fates: Vec<AnswerFate> = match together {
        true => read(&told.commit(store_signs(signs)).await),
        false => {
            let mut fates = Vec::new();
            for sign in signs {
                fates.push(read(&told.commit(Records::store_answer(sign)).await));
            }
            fates
        }
    };
    assert_eq!(fates, expected, "together: {together}");
    told.said.clear();
    look(&mut told).await;
    let all = RunQuery {
        limit: 100,
        ..RunQuery::default()
    };
    let mut started: Vec<RunId> = told
        .store
        .runs(all)
        .await
        .unwrap()
        .items
        .iter()
        .map(|run| run.id)
        .collect();
    started.sort_unstable();
    told.say("runs", started);
    told.said
}

#[tokio::test]
async fn together_they_come_to_what_they_come_to_one_after_the_other() {
    let expected = tell(Told::on_sqlite().await, false).await;
    assert_eq!(tell(Told::on_sqlite().await, true).await, expected);
    for together in [false, true] {
        assert_eq!(tell(Told::on_postgres().await, together).await, expected);
    }
}

/// Another process, whose connections this hand is in.
async fn hooked(fleet: &Fleet, hook: Hook) -> PostgresStore {
    let clock = StoreClock::of(Arc::new(TestRuntime::new()));
    let options = Options::new(&fleet.database.address()).unwrap();
    PostgresStore::open(options.clock(clock).hook(hook)).await.unwrap()
}

/// Counts moments of a connection.
#[derive(Default)]
struct Moments {
    /// Until the one that is meant.
    left: AtomicUsize,
    reached: Notify,
    opened: Notify,
}

impl Moments {
    fn is_this(&self) -> bool {
        self.left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            == Ok(1)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_line_breaks_each_is_stored_once_and_hears_its_own_fate() {
    let (fleet, moments) = (Fleet::new().await, Arc::new(Moments::default()));
    let counting = moments.clone();
    let store = hooked(
        &fleet,
        Hook::new(move |_| {
            let verdict = if counting.is_this() { Verdict::Cut } else { Verdict::Go };
            async move { verdict }.boxed()
        }),
    );
    let store = store.await;
    let run = fleet.start_batches(1).await[0];
    fleet.write(Records::take_batch(run, unlimited())).await;
    for place in 1.. {
        let name = format!("enrichment-{place}");
        let accepted = Records::accept(run, 1, name.clone(), now(), HOUR);
        fleet.write(accepted).await;
        let make = |number, name: &str| sign(answer(100 * place + number, name, None, new_run(900_000 + place)));
        let same = NewAnswer {
            id: AnswerId(id(100 * place + 50)),
            ..make(1, &name)
        };
        let signs = vec![make(1, &name), make(2, "stranger"), same, make(3, &name)];
        let member = Member {
            change: Change::Nothing {
                id: id(500_000 + place),
            },
            attach: Some(store_signs(signs)),
        };
        let group: Arc<[Member]> = Arc::new([member]);
        moments.left.store(place as usize, Ordering::SeqCst);
        let answers = loop {
            match store.commit(group.clone()).await {
                Err(StoreError::OutcomeUnknown(_)) => {}
                answers => break answers.unwrap(),
            }
        };
        let expected = [
            AnswerFate::Kept,
            AnswerFate::Unrouted,
            AnswerFate::Duplicate,
            AnswerFate::Kept,
        ];
        assert_eq!(read::<Vec<AnswerFate>>(&answers[0]), expected, "cut at {place}");
        let stored = fleet.records.answers(false, 1_000).await.unwrap().len();
        assert_eq!(stored as u128, 3 * place, "cut at {place}");
        if moments.left.load(Ordering::SeqCst) > 0 {
            assert!(place > 10, "{place} moments are too few for what is to be done");
            return;
        }
    }
}

/// Whoever is given up is looked after with what was told of them, also when that comes in the same moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_is_heard_although_its_run_gives_up_meanwhile() {
    let (fleet, moments) = (Arc::new(Fleet::new().await), Arc::new(Moments::default()));
    let counting = moments.clone();
    let hook = Hook::new(move |_| {
        let moments = counting.clone();
        async move {
            if moments.is_this() {
                moments.reached.notify_one();
                moments.opened.notified().await;
            }
            Verdict::Go
        }
        .boxed()
    });
    let store = Arc::new(hooked(&fleet, hook).await);
    for (held, run) in (1..).zip(fleet.start_batches(16).await) {
        let name = format!("enrichment-{held}");
        fleet.write(Records::take_batch(run, unlimited())).await;
        let accepted = Records::accept(run, 1, name.clone(), now(), HOUR);
        fleet.write(accepted).await;
        // The end says nothing of anybody.
        let end = answer(held, &name, None, new_run(900 + held));
        let ended = end.id;
        fleet.write(Records::store_answer(end)).await;
        fleet.write(Records::apply_answer(ended, Verdicts::default())).await;
        let told = sign(answer(100 + held, &name, None, new_run(1_900 + held)));
        // The transaction's beginning is not waited for by its first question.
        moments.left.store(held as usize + 1, Ordering::SeqCst);
        let mut storing = tokio::spawn({
            let store = store.clone();
            let change = Change::Nothing { id: id(500_000 + held) };
            let attach = Some(store_signs(vec![told]));
            async move { store.commit(Arc::new([Member { change, attach }])).await.unwrap() }
        });
        tokio::select! {
            () = moments.reached.notified() => {}
            _ = &mut storing => {
                assert!(held > 5, "{held} statements are too few for what is to be done");
                return;
            }
        }
        let closing = tokio::spawn({
            let fleet = fleet.clone();
            async move { fleet.write(Records::close_batch(run, "given up".to_owned())).await }
        });
        until("the run to end, or to wait", || async {
            (closing.is_finished() || fleet.count_waiting().await > 0).then_some(())
        })
        .await;
        moments.opened.notify_one();
        storing.await.unwrap();
        closing.await.unwrap();
        let due = fleet.records.due_for_asking(now() + HOUR, 100).await.unwrap();
        assert!(due.contains(&name), "held at {held}: nobody looks after it");
    }
    panic!("more is asked than there are batches");
}
