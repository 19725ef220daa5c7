//! Groups: one transaction, an answer for each, refusals that disturb nobody.

use super::samples::{ToMember, bare, cancel, computed, event, json, key, nothing, resume, step};
use super::stage::{holds, ids, same};
use super::{Act, Stage};
use crate::error::StepError;
use crate::id::{Epoch, RunId};
use crate::store::{
    Advance, Delivery, GROUP_MEMBERS, Lease, Member, MemberResult, NewRun, Next, Outcome, Refusal, RunQuery,
};

/// A group of nothing is applied and answers nothing.
pub fn an_empty_group_is_applied(stage: &Stage<'_>) {
    same("no members, no answers", stage.group([]), Vec::<MemberResult>::new());
}

/// The largest group is applied as a whole, with an answer for each in its order, and refused
/// members in the midst of it leave the others alone.
pub fn the_largest_group_is_applied(stage: &Stage<'_>) {
    let news: Vec<NewRun> = (0..GROUP_MEMBERS).map(|_| stage.new_run()).collect();
    let refuses = |index: usize| index % 50 == 7;
    let member = |(index, new): (usize, &NewRun)| {
        let fail = Act::Fail(StepError::fail("no"));
        let acts = if refuses(index) {
            vec![Act::Count("cell"), fail]
        } else {
            vec![Act::Count("cell")]
        };
        let attach = (index % 10 == 7).then(|| stage.attach(acts));
        Member {
            attach,
            ..new.clone().member()
        }
    };
    let members: Vec<Member> = news.iter().enumerate().map(member).collect();
    let answers = stage.group(members);
    for (index, answer) in answers.into_iter().enumerate() {
        match refuses(index) {
            true => same(
                "a refused member is told so",
                answer,
                Err(Refusal::Attachment(StepError::fail("no"))),
            ),
            false => same("its neighbours are applied", answer, Ok(Outcome::Started)),
        }
    }
    let mut found: Vec<RunId> = stage
        .all_runs(RunQuery::default(), 100)
        .into_iter()
        .map(|row| row.id)
        .collect();
    found.sort();
    let promised: Vec<RunId> = news
        .iter()
        .enumerate()
        .filter(|(index, _)| !refuses(*index))
        .map(|(_, new)| new.id)
        .collect();
    same("what was applied is there, and nothing else", found, promised);
    same(
        "only applied attachments have left their writes",
        stage.counted("cell"),
        40,
    );
}

/// Members see what those before them have done: an event for a run that the group makes, a
/// key that the group registers, an id that the group has stored.
pub fn members_see_those_before_them(stage: &Stage<'_>) {
    let (lease, new) = (stage.running(), stage.new_run());
    let members = vec![
        event("early", new.id).member(),
        new.clone().member(),
        event("late", new.id).member(),
        event("late", new.id).member(),
        event("early", key("k")).member(),
        Advance {
            keys: vec![key("k")],
            ..step(lease, 0)
        }
        .member(),
        event("late", key("k")).member(),
    ];
    let promised: Vec<MemberResult> = vec![
        Ok(Outcome::Emitted(Delivery::Unrouted)),
        Ok(Outcome::Started),
        Ok(Outcome::Emitted(Delivery::Routed(new.id))),
        Ok(Outcome::Emitted(Delivery::Duplicate)),
        Ok(Outcome::Emitted(Delivery::Unrouted)),
        Ok(Outcome::Advanced {
            inbox: 1,
            payload: None,
            news: None,
        }),
        Ok(Outcome::Emitted(Delivery::Routed(lease.run))),
    ];
    same("each member sees those before it", stage.group(members), promised);
    same(
        "the new run has both its events",
        stage.inbox_ids(new.id),
        ids(["early", "late"]),
    );
    same(
        "the run with the key has both its events",
        stage.inbox_ids(lease.run),
        ids(["early", "late"]),
    );
    same("nothing is left over", stage.unrouted_ids(), Vec::<String>::new());
}

/// Every refusal leaves no trace: not in runs, histories, inboxes, keys or the application.
pub fn a_refusal_leaves_no_trace(stage: &Stage<'_>) {
    let (lease, holder, parked) = (stage.running(), stage.running(), stage.parked());
    stage.advanced(Advance {
        keys: vec![key("taken")],
        ..bare(holder, 0)
    });
    stage.advanced(step(lease, 0));
    stage.emit(event("waiting", key("free")));
    stage.emit(event("e", lease.run));
    let full = Advance {
        records: vec![computed(lease, 2)],
        keys: vec![key("free")],
        consumed: vec![stage.place(lease.run, "e")],
        next: Next::Release,
        ..bare(lease, 1)
    };
    let acts = |error| {
        let stored = [
            Act::Put("cell", json(1)),
            Act::Start(stage.new_run()),
            Act::Emit(event("f", parked.run)),
        ];
        stage.attach([&stored[..], &[Act::MakeDue(parked.run), Act::Fail(error)]].concat())
    };
    let failing = |member: Member| Member {
        attach: Some(acts(StepError::unknown("no"))),
        ..member
    };
    let stale = Lease {
        epoch: Epoch(9),
        ..lease
    };
    let refused = vec![
        Advance {
            lease: stale,
            ..full.clone()
        }
        .member(),
        Advance {
            seq: crate::Seq(7),
            ..full.clone()
        }
        .member(),
        Advance {
            guard: Some(9),
            ..full.clone()
        }
        .member(),
        Advance {
            keys: vec![key("free"), key("taken")],
            ..full.clone()
        }
        .member(),
        failing(full.member()),
        failing(
            NewRun {
                start_key: Some("k".to_owned()),
                ..stage.new_run()
            }
            .member(),
        ),
        failing(event("g", parked.run).member()),
        failing(nothing(1).member()),
        failing(cancel(parked.run).member()),
        cancel(stage.run_id()).member(),
        resume(parked.run).member(),
    ];
    let before = stage.snapshot();
    for member in refused {
        let change = format!("{:?}", member.change);
        holds(&format!("this is refused: {change}"), stage.apply(member).is_err());
        same(
            &format!("a refused member leaves no trace: {change}"),
            stage.snapshot(),
            before.clone(),
        );
    }
    same("nor in the application", stage.cell("cell"), None);
    same(
        "nothing has become ready",
        stage.claim_ids(super::samples::claim()),
        vec![],
    );
}

/// A refused member does not disturb those before and after it, in whatever way it is refused.
pub fn a_refusal_does_not_disturb_its_neighbours(stage: &Stage<'_>) {
    let (lease, other) = (stage.running(), stage.running());
    let stale = Lease {
        epoch: Epoch(9),
        ..other
    };
    let put = |number| stage.attach([Act::Put("cell", json(number))]);
    let fail = stage.attach([Act::Put("cell", json(2)), Act::Fail(StepError::fail("no"))]);
    let with = |change: Member, attach| Member {
        attach: Some(attach),
        ..change
    };
    let members = vec![
        with(nothing(1).member(), put(1)),
        step(stale, 0).member(),
        with(
            Advance {
                records: vec![computed(lease, 1)],
                ..bare(lease, 0)
            }
            .member(),
            put(3),
        ),
        with(nothing(2).member(), fail),
        cancel(stage.run_id()).member(),
        event("e", lease.run).member(),
    ];
    let answers: Vec<bool> = stage.group(members).iter().map(Result::is_ok).collect();
    same(
        "each member has its own answer",
        answers,
        vec![true, false, true, false, false, true],
    );
    same(
        "writes before and between refusals remain",
        stage.cell("cell"),
        Some(json(3)),
    );
    same(
        "what comes after a refusal is applied",
        stage.inbox_ids(lease.run),
        ids(["e"]),
    );
    same("a record next to a refusal is kept", stage.history(lease.run).len(), 1);
}

/// A commit whose future is dropped has taken effect as a whole or not at all, and the store
/// goes on.
pub fn a_dropped_commit_is_whole_or_nothing(stage: &Stage<'_>) {
    let news: Vec<NewRun> = (0..20).map(|_| stage.new_run()).collect();
    let members: Vec<Member> = news.iter().cloned().map(ToMember::member).collect();
    let mut commit = stage.store().commit(members.clone().into());
    let waker = std::task::Waker::noop();
    let _ = commit.as_mut().poll(&mut std::task::Context::from_waker(waker));
    drop(commit);
    let answers = stage.group(members);
    let started = answers.iter().filter(|answer| **answer == Ok(Outcome::Started)).count();
    holds(
        "a dropped commit is applied as a whole or not at all",
        started == 0 || started == news.len(),
    );
    same("applied again, all is there", stage.snapshot().runs.len(), news.len());
}
