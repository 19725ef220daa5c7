//! What each member of a group touches, and which touch nothing that an earlier one does.

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

/// Those of these places whose members touch nothing that an earlier one of them touches.
pub(super) fn first(members: &[Member], places: &[usize], known: &Known<'_>) -> Result<Vec<usize>, Fault> {
    let mut touches = BTreeMap::new();
    let mut first = Vec::new();
    for place in places {
        let mut meets = false;
        for touch in touched(&members[*place], known)? {
            meets |= *touches.entry(touch).or_insert(*place) != *place;
        }
        if !meets {
            first.push(*place);
        }
    }
    Ok(first)
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
