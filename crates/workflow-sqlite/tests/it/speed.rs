use super::opened::*;
use lumina_workflow::store::*;
use lumina_workflow::*;
use lumina_workflow_sqlite::*;
use std::time::Instant;

#[tokio::test]
async fn pipeline() {
    let dir = tempfile::tempdir_in("/work").unwrap();
    let store = SqliteStore::open(
        Options::new(dir.path().join("x.db")).mode(if std::env::var("INLINE").is_ok() {
            Mode::Inline
        } else {
            Mode::Threads
        }),
    )
    .unwrap();
    let group: u64 = 200;
    let total: u64 = std::env::var("RUNS")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(20_000);
    let pad = Payload::from_stored(format!("\"{}\"", "y".repeat(198)));
    let begin = Instant::now();
    let mut t = [0u128; 8];
    for g in 0..total / group {
        let numbers: Vec<u64> = (g * group..(g + 1) * group).collect();
        let mut clock = Instant::now();
        let mut lap = |i: usize, t: &mut [u128; 8]| {
            t[i] += clock.elapsed().as_micros();
            clock = Instant::now();
        };
        for r in commit(&store, numbers.iter().map(|n| Change::Start(new_run(*n))).collect()).await {
            r.unwrap();
        }
        lap(0, &mut t);
        let c = claimed(&store, 200).await;
        assert_eq!(c.len(), 200);
        lap(1, &mut t);
        for r in commit(
            &store,
            numbers
                .iter()
                .map(|n| Change::Advance(step(first_lease(*n), 0, vec![completed(&pad)], Next::Running)))
                .collect(),
        )
        .await
        {
            r.unwrap();
        }
        lap(2, &mut t);
        for r in commit(
            &store,
            numbers
                .iter()
                .map(|n| {
                    let mut a = step(
                        first_lease(*n),
                        1,
                        vec![completed(&pad), What::Opened { deadline: moment() }],
                        Next::Park {
                            wake_at: Some(jiff::Timestamp::from_second(2_000_000_000).unwrap()),
                        },
                    );
                    a.keys = vec![CorrelationKey::new("order", format!("o-{n}"))];
                    a.guard = Some(0);
                    Change::Advance(a)
                })
                .collect(),
        )
        .await
        {
            r.unwrap();
        }
        lap(3, &mut t);
        for r in commit(
            &store,
            numbers
                .iter()
                .map(|n| {
                    Change::Emit(NewEvent::new(
                        format!("e-{n}"),
                        CorrelationKey::new("order", format!("o-{n}")),
                        "paid",
                        pad.clone(),
                    ))
                })
                .collect(),
        )
        .await
        {
            r.unwrap();
        }
        lap(4, &mut t);
        let c = claimed(&store, 200).await;
        assert_eq!(c.len(), 200);
        assert_eq!(c[7].records.len(), 3);
        assert_eq!(c[7].events.len(), 1);
        lap(5, &mut t);
        for r in commit(
            &store,
            c.iter()
                .map(|c| {
                    let mut a = step(
                        c.lease,
                        3,
                        vec![
                            What::Received {
                                events: vec!["e".to_owned()],
                                payload: pad.clone(),
                            },
                            completed(&pad),
                        ],
                        Next::Finish(Ending::Completed(pad.clone())),
                    );
                    a.consumed = vec![c.events[0].seq];
                    Change::Advance(a)
                })
                .collect(),
        )
        .await
        {
            r.unwrap();
        }
        lap(6, &mut t);
    }
    let took = begin.elapsed();
    println!(
        "{} runs/s; us per run: start {} claim {} step {} park {} emit {} claim {} finish {}",
        (total as f64 / took.as_secs_f64()) as u64,
        t[0] as f64 / total as f64,
        t[1] as f64 / total as f64,
        t[2] as f64 / total as f64,
        t[3] as f64 / total as f64,
        t[4] as f64 / total as f64,
        t[5] as f64 / total as f64,
        t[6] as f64 / total as f64
    );
}
