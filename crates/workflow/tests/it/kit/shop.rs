//! A workflow to test with: an order that is reserved, charged, paid and shipped, or taken back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lumina_workflow::store::memory;
use lumina_workflow::{Failure, Payload, Retry, Run, Step, StepError, Workflow};

pub const RESERVE: Step = Step::action("reserve").retry(Retry::exponential(3).without_jitter());
pub const CHARGE: Step = Step::action("charge").outside_effect().timeout("30s");
pub const PAID: Step = Step::wait("wait-for-payment", "paid").timeout("24h");
pub const BOOK: Step = Step::action("book");
pub const MAIL: Step = Step::action("mail");
pub const RELEASE: Step = Step::action("release");

/// Counts how often the code of its steps has really run.
#[derive(Default)]
pub struct Shop {
    pub reserved: Arc<AtomicU32>,
    pub charged: Arc<AtomicU32>,
    pub mailed: Arc<AtomicU32>,
}

fn count(counter: &Arc<AtomicU32>) -> u32 {
    counter.fetch_add(1, Ordering::Relaxed) + 1
}

impl Workflow for Shop {
    const NAME: &'static str = "shop";
    const STEPS: &'static [Step] = &[RESERVE, CHARGE, PAID, BOOK, MAIL, RELEASE];
    type Input = u32;
    type Output = u32;

    async fn run(&self, run: &Run, price: u32) -> Result<u32, Failure> {
        let (reserved, charged) = (self.reserved.clone(), self.charged.clone());
        run.step(RESERVE, move |_| {
            count(&reserved);
            async { Ok(()) }
        })
        .await?;
        let charge: u32 = run
            .step(CHARGE, move |_| {
                count(&charged);
                async move { Ok(price) }
            })
            .await?;
        let paid: u32 = run.wait(PAID).await?;
        let booked = memory::attach(move |tx| {
            tx.put("booked", Payload::encode(&paid).expect("a number has a JSON form"));
            Ok(Payload::null())
        });
        run.step_in_tx::<()>(BOOK, booked).await?;
        for who in ["ada", "bob"] {
            let mailed = self.mailed.clone();
            run.step(MAIL.key(who), move |_| {
                count(&mailed);
                async { Ok(()) }
            })
            .await?;
        }
        Ok(paid - charge)
    }

    async fn on_failure(&self, run: &Run, _: u32, _: &Failure) -> Result<(), Failure> {
        run.gated_step(
            RELEASE,
            || async { Err::<(), _>(StepError::fail("no permit")) },
            |_, ()| async { Ok(()) },
        )
        .await
    }
}
