//! The changes of a group, one kind a file.

use lumina_workflow::store::{Attachment, Change, MemberResult};

use crate::fault::Fault;
use crate::flow;
use crate::group::Group;

mod advance;
mod command;
mod event;
mod key;
mod next;
mod nothing;
pub(crate) mod record;
mod schedule;
mod start;
mod unrouted;

pub(crate) use event::emit;
pub(crate) use key::read as keys_of;
pub(crate) use start::start;

/// Applies one change. Guards come first, so that a refusal without an attachment has written
/// nothing; with one, the caller takes it back.
pub(crate) fn apply(group: &Group<'_>, change: &Change, attach: Option<&Attachment>) -> Result<MemberResult, Fault> {
    match change {
        Change::Nothing { id } => nothing::apply(group, *id, attach),
        Change::Start(new) => start::apply(group, new, attach),
        Change::Advance(step) => advance::apply(group, step, attach),
        Change::Emit(event) => event::apply(group, event, attach),
        Change::Command(command) => command::apply(group, command, attach),
        Change::Unrouted(command) => unrouted::apply(group, command, attach),
        Change::Schedule(change) => schedule::apply(group, change, attach),
        Change::Flow(command) => flow::apply(group, command, attach),
    }
}
