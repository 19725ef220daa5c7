//! A saga: a trip is a flight, a hotel and a car, or nothing.
//!
//! Each booking is an outside effect: it costs money, and one whose outcome nobody knows is never
//! simply made again. What was booked is taken back in `on_failure`, in reverse order, and that is
//! durable as well. Everything is booked under a reference that follows from the run's id, so that it
//! can be taken back even when the answer to the booking was lost.
//!
//! Four trips are shown: a good one, one whose car cannot be had, one that nobody approves, and
//! one whose process dies, twice. The process is simulated by the test kit: everything that it has
//! in memory is dropped, and another one goes on with what the store had committed. The agency is
//! outside of it and forgets nothing.
//!
//! ```sh
//! cargo run -p lumina-workflow --example trip
//! ```
//!
//! It ends with a panic, and so not with 0, when a history is not as promised.

use std::sync::{Arc, Mutex};

use lumina_workflow::store::RunStatus;
use lumina_workflow::testing::{CrashPoint, TestEngine};
use lumina_workflow::{Failure, Retry, Run, RunId, Step, StepError, Workflow};

const PATIENT: Retry = Retry::exponential(5).without_jitter();
const FLIGHT: Step = Step::action("book-flight")
    .outside_effect()
    .timeout("60s")
    .retry(PATIENT);
const HOTEL: Step = Step::action("book-hotel")
    .outside_effect()
    .timeout("60s")
    .retry(PATIENT);
const CAR: Step = Step::action("book-car").outside_effect().timeout("60s").retry(PATIENT);
const APPROVAL: Step = Step::wait("wait-for-approval", "approved").timeout("48h");
/// Taking back by reference may be repeated, so it is no outside effect and is simply tried again.
const TAKE_BACK: Step = Step::action("take-back").timeout("60s").retry(PATIENT);

/// The travel agency: the world outside, which no crash of ours takes back.
#[derive(Default)]
struct Agency {
    held: Mutex<Vec<String>>,
}

impl Agency {
    fn book(&self, reference: String) -> String {
        let confirmation = format!("OK {reference}");
        self.lock().push(reference);
        confirmation
    }

    /// Whether there was something to take back.
    fn take_back(&self, reference: &str) -> bool {
        let mut held = self.lock();
        let before = held.len();
        held.retain(|booked| booked != reference);
        held.len() < before
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.held.lock().expect("nobody panics while holding it")
    }
}

struct Trip {
    agency: Arc<Agency>,
}

fn reference(run: RunId, what: &str) -> String {
    format!("{run}/{what}")
}

impl Trip {
    async fn book(&self, run: &Run, step: Step, what: &'static str) -> Result<String, Failure> {
        let agency = self.agency.clone();
        run.step(step, move |attempt| {
            let agency = agency.clone();
            async move { Ok(agency.book(reference(attempt.run(), what))) }
        })
        .await
    }
}

impl Workflow for Trip {
    const NAME: &'static str = "trip";
    const STEPS: &'static [Step] = &[FLIGHT, HOTEL, CAR, APPROVAL, TAKE_BACK];
    type Input = String;
    type Output = Vec<String>;

    async fn run(&self, run: &Run, _traveller: String) -> Result<Vec<String>, Failure> {
        let flight = self.book(run, FLIGHT, "flight").await?;
        let hotel = self.book(run, HOTEL, "hotel").await?;
        let car = self.book(run, CAR, "car").await?;
        let by: String = run.wait(APPROVAL).await?;
        Ok(vec![flight, hotel, car, format!("approved by {by}")])
    }

    /// Whatever failed, and wherever: all that may have been booked is taken back, the last first.
    async fn on_failure(&self, run: &Run, _: String, _: &Failure) -> Result<(), Failure> {
        for what in ["car", "hotel", "flight"] {
            let agency = self.agency.clone();
            run.step(TAKE_BACK.key(what), move |attempt| {
                let agency = agency.clone();
                async move { Ok(agency.take_back(&reference(attempt.run(), what))) }
            })
            .await?;
        }
        Ok(())
    }
}

/// One trip, in a world of its own.
struct Scene {
    agency: Arc<Agency>,
    kit: TestEngine,
    run: RunId,
}

impl Scene {
    fn open(title: &str) -> Self {
        println!("{title}\n");
        let agency = Arc::new(Agency::default());
        let kit = TestEngine::new().register(Trip { agency: agency.clone() });
        let run = kit.start::<Trip>(&"Ada".to_owned());
        Self { agency, kit, run }
    }

    /// Shows what happened, and holds it against what was promised.
    fn close(&self, status: RunStatus, booked: usize, promised: &[&str]) {
        let end = self.kit.end::<Trip>(self.run);
        let history = self.kit.history(self.run);
        println!("{history}");
        match end {
            Ok(trip) => println!("  the traveller has: {}", trip.join(", ")),
            Err(failure) => println!("  the traveller is told: {failure}"),
        }
        let held = self.agency.lock().len();
        println!("  the agency holds {held} bookings\n");
        history.assert_status(status).assert_steps(promised);
        assert_eq!(held, booked, "the agency holds what was promised");
    }
}

fn a_good_trip() {
    let scene = Scene::open("1. A good trip. The flight is busy twice, and approval comes after a day.");
    scene
        .kit
        .fail(FLIGHT, 2, StepError::retry("all lines are busy").with_code(503));
    scene.kit.run_until_wait(scene.run, APPROVAL);
    scene.kit.advance("24h");
    scene.kit.emit(scene.run, "approved", "Grace");
    let promised = [
        "book-flight: started 1",
        "book-flight: again after 1 in 1s",
        "book-flight: started 2",
        "book-flight: again after 2 in 2s",
        "book-flight: started 3",
        "book-flight: done 3",
        "book-hotel: started 1",
        "book-hotel: done 1",
        "book-car: started 1",
        "book-car: done 1",
        "wait-for-approval: opened",
        "wait-for-approval: received event-1",
    ];
    scene.close(RunStatus::Completed, 3, &promised);
}

fn a_trip_without_a_car() {
    let scene = Scene::open("2. The car cannot be had: hotel and flight are taken back, the last first.");
    scene.kit.fail(CAR, 1, StepError::fail("no car is left"));
    let promised = [
        "book-flight: started 1",
        "book-flight: done 1",
        "book-hotel: started 1",
        "book-hotel: done 1",
        "book-car: started 1",
        "book-car: failed for good",
        "failing for good",
        "! take-back =car: done 1",
        "! take-back =hotel: done 1",
        "! take-back =flight: done 1",
    ];
    scene.close(RunStatus::Failed, 0, &promised);
}

fn a_trip_that_nobody_approves() {
    let scene = Scene::open("3. Nobody approves within 48 hours.");
    let promised = [
        "book-flight: started 1",
        "book-flight: done 1",
        "book-hotel: started 1",
        "book-hotel: done 1",
        "book-car: started 1",
        "book-car: done 1",
        "wait-for-approval: opened",
        "wait-for-approval: timed out",
        "failing timed out",
        "! take-back =car: done 1",
        "! take-back =hotel: done 1",
        "! take-back =flight: done 1",
    ];
    scene.close(RunStatus::Failed, 0, &promised);
}

fn a_trip_whose_process_dies() {
    let scene = Scene::open(
        "4. The process dies when the hotel is booked and nobody has written it down. It is not booked again: its \n   \
         outcome is unknown, and the trip is taken back. Then the process dies in the middle of that.",
    );
    scene.kit.crash_at(CrashPoint::BeforeRecord, HOTEL);
    scene.kit.crash_at(CrashPoint::BeforeRecord, TAKE_BACK.key("hotel"));
    let promised = [
        "book-flight: started 1",
        "book-flight: done 1",
        "book-hotel: started 1",
        "book-hotel: failed unknown",
        "failing unknown",
        "! take-back =car: done 1",
        "! take-back =hotel: done 1",
        "! take-back =flight: done 1",
    ];
    scene.close(RunStatus::Failed, 0, &promised);
    assert_eq!(scene.kit.crashes(), 2, "it died twice");
    assert_eq!(scene.kit.attempts(HOTEL), 1, "the hotel was booked once");
    assert_eq!(
        scene.kit.attempts(TAKE_BACK.key("hotel")),
        2,
        "taking back was repeated, which is harmless"
    );
}

fn main() {
    a_good_trip();
    a_trip_without_a_car();
    a_trip_that_nobody_approves();
    a_trip_whose_process_dies();
    println!("All four went as promised.");
}
