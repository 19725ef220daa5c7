//! What befalls processes and clocks at times.

use std::sync::Arc;
use std::time::Duration;

use lumina_workflow::Runtime;

use crate::fault::TimedFault;
use crate::stage::Stage;
use crate::trace::lock;

impl Stage {
    /// Lets each timed fault happen when its time has come.
    pub fn schedule_faults(self: &Arc<Self>) {
        for (at, number, fault) in self.plan.timed.clone() {
            let stage = self.clone();
            self.root.spawn(Box::pin(async move {
                stage.root.sleep(at).await;
                if stage.inject(number, || fault.to_string()) {
                    stage.strike(fault).await;
                }
            }));
        }
    }

    async fn strike(self: &Arc<Self>, fault: TimedFault) {
        let now = self.root.elapsed();
        match fault {
            TimedFault::Crash(process) => {
                let life = self.slot(process).life.clone();
                life.iter().for_each(|life| self.crash(life));
            }
            TimedFault::Freeze(process, time) => {
                let life = self.slot(process).life.clone();
                life.iter().for_each(|life| self.freeze(life, time));
            }
            TimedFault::Restart(process, grace) => self.restart(process, grace).await,
            TimedFault::Cut(process, time) => self.slot(process).cut_until = now + time,
            TimedFault::Deaf(process, time) => self.slot(process).deaf_until = now + time,
            TimedFault::Drag(process, each, time) => self.slot(process).drag = (each, now + time),
            TimedFault::StoreClock(by) => *lock(&self.store_skew) += by * 1_000,
            TimedFault::WallClock(process, by) => {
                let wall = self.slot(process).wall.clone();
                *lock(&wall) += by * 1_000;
            }
        }
    }

    /// An orderly end of a process. It may die meanwhile.
    async fn restart(self: &Arc<Self>, process: usize, grace: Duration) {
        let (life, worker) = {
            let mut slot = self.slot(process);
            slot.engine = None;
            (slot.life.clone(), slot.worker.clone())
        };
        let (Some(life), Some(worker)) = (life, worker) else {
            return;
        };
        worker.shutdown(grace).await;
        drop(worker);
        if !life.is_dead() {
            self.bury(process);
        }
    }
}
