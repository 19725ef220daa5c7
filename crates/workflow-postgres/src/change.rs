//! The changes of a group, one kind a file.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lumina_workflow::store::{Attachment, Change, MemberResult};

use crate::fault::Fault;
use crate::flow;
use crate::group::Group;

mod advance;
mod bulk;
mod command;
mod event;
mod key;
mod next;
mod nothing;
pub(crate) mod record;
mod schedule;
mod start;
mod turn;
mod unrouted;

pub(crate) use bulk::{Stride, take};
pub(crate) use event::{deliver_unrouted, emit};
pub(crate) use key::read as keys_of;
pub(crate) use start::start;

/// Applies one change. Guards come first, so that a refusal without an attachment has written
/// nothing; with one, the transaction is then rolled back.
///
/// Whatever a change goes by, it locks before it looks: runs first, then keys, then counters.
pub(crate) fn apply<'g>(
    group: &'g Group,
    change: &'g Change,
    attach: Option<&'g Attachment>,
) -> BoxFuture<'g, Result<MemberResult, Fault>> {
    async move {
        match change {
            Change::Nothing { id } => nothing::apply(group, *id, attach).await,
            Change::Start(new) => start::apply(group, new, attach).await,
            Change::Advance(step) => advance::apply(group, step, attach).await,
            Change::Emit(event) => event::apply(group, event, attach).await,
            Change::Command(command) => command::apply(group, command, attach).await,
            Change::Unrouted(command) => unrouted::apply(group, command, attach).await,
            Change::Schedule(change) => schedule::apply(group, change, attach).await,
            Change::Flow(command) => flow::apply(group, command, attach).await,
        }
    }
    .boxed()
}
