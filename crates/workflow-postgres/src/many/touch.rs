//! What each member of a group touches, and which touch nothing that another does.

use std::collections::BTreeMap;

use lumina_workflow::store::{Change, Member, NewRun, Next};
use lumina_workflow::{CorrelationKey, NewEvent, RunId, Target};

use super::Known;
use crate::change;
use crate::fault::Fault;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Touch {
    Run(RunId),
    Key(CorrelationKey),
    StartKey(String, String),
}

/// Who touches what.
pub(super) struct Touches {
    /// The only one who does; none when there are several.
    by: BTreeMap<Touch, Option<usize>>,
    alone: Vec<bool>,
}

impl Touches {
    pub(super) fn of(members: &[Member], known: &Known<'_>) -> Result<Self, Fault> {
        let mut all = Self {
            by: BTreeMap::new(),
            alone: vec![true; members.len()],
        };
        for (place, member) in members.iter().enumerate() {
            for touch in touched(member, known)? {
                all.add(place, touch);
            }
        }
        Ok(all)
    }

    pub(super) fn is_alone(&self, place: usize) -> bool {
        self.alone[place]
    }

    fn add(&mut self, place: usize, touch: Touch) {
        let by = self.by.entry(touch).or_insert(Some(place));
        if *by == Some(place) {
            return;
        }
        self.alone[place] = false;
        if let Some(other) = by.take() {
            self.alone[other] = false;
        }
    }
}

fn touched(member: &Member, known: &Known<'_>) -> Result<Vec<Touch>, Fault> {
    let mut touched = Vec::new();
    match &member.change {
        Change::Start(new) => begin(new, &mut touched),
        Change::Emit(event) => send(event, known, &mut touched),
        Change::Command(command) => touched.push(Touch::Run(command.run)),
        Change::Advance(step) => {
            let run = step.lease.run;
            touched.push(Touch::Run(run));
            touched.extend(step.keys.iter().cloned().map(Touch::Key));
            step.starts.iter().for_each(|new| begin(new, &mut touched));
            step.emits.iter().for_each(|event| send(event, known, &mut touched));
            let held = known.rows.get(&run).and_then(|row| row.keys.as_deref());
            if let Next::Finish(_) = step.next {
                let keys = change::keys_of(held)?.into_iter();
                touched.extend(keys.map(|(namespace, key)| Touch::Key(CorrelationKey { namespace, key })));
            }
        }
        Change::Nothing { .. } | Change::Flow(_) | Change::Schedule(_) | Change::Unrouted(_) => {}
    }
    Ok(touched)
}

fn begin(new: &NewRun, touched: &mut Vec<Touch>) {
    touched.push(Touch::Run(new.id));
    let start_key = new.start_key.clone();
    touched.extend(start_key.map(|key| Touch::StartKey(new.workflow.clone(), key)));
}

fn send(event: &NewEvent, known: &Known<'_>, touched: &mut Vec<Touch>) {
    match &event.target {
        Target::Run(run) => touched.push(Touch::Run(*run)),
        Target::Key(key) => {
            touched.extend(known.holders.get(key).copied().map(Touch::Run));
            touched.push(Touch::Key(key.clone()));
        }
    }
}
