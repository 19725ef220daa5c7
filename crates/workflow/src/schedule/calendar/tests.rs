//! What ticks are, where it is easily got wrong.

use jiff::civil::DateTime;
use proptest::prelude::*;

use super::*;
use crate::schedule::{CATCH_UP, Overlap, ScheduleSpec};

const BERLIN: &str = "Europe/Berlin";
const NEW_YORK: &str = "America/New_York";

fn spec(timing: Timing) -> ScheduleSpec {
    ScheduleSpec {
        timing,
        start: None,
        end: None,
        overlap: Overlap::Skip,
        catch_up: CATCH_UP,
        priority: 0,
    }
}

fn cron(expression: &str, time_zone: &str) -> ScheduleSpec {
    spec(Timing::Cron {
        expression: expression.to_owned(),
        time_zone: time_zone.to_owned(),
    })
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// So many ticks after a time.
fn ticks(spec: &ScheduleSpec, after: Timestamp, count: usize) -> Vec<Timestamp> {
    let calendar = Calendar::read(spec).unwrap();
    let next = |tick: &Timestamp| calendar.next_after(*tick);
    std::iter::successors(Some(after), next).skip(1).take(count).collect()
}

fn shown(expression: &str, time_zone: &str, after: &str, count: usize) -> Vec<String> {
    let zone = TimeZone::get(time_zone).unwrap();
    let ticks = ticks(&cron(expression, time_zone), time(after), count);
    let show = |tick: &Timestamp| tick.to_zoned(zone.clone()).strftime("%m-%d %H:%M%:z").to_string();
    ticks.iter().map(show).collect()
}

#[test]
fn ticks_follow_the_wall_clock() {
    let winter = shown("0 7 * * MON-FRI", BERLIN, "2026-03-26T12:00:00Z", 3);
    assert_eq!(winter, ["03-27 07:00+01:00", "03-30 07:00+02:00", "03-31 07:00+02:00"]);
    let daily = shown("@daily", NEW_YORK, "2026-10-31T12:00:00Z", 3);
    assert_eq!(daily, ["11-01 00:00-04:00", "11-02 00:00-05:00", "11-03 00:00-05:00"]);
    let either = shown("0 0 13 * FRI", "UTC", "2026-10-08T12:00:00Z", 3);
    assert_eq!(either, ["10-09 00:00+00:00", "10-13 00:00+00:00", "10-16 00:00+00:00"]);
}

/// 02:00 to 03:00 does not exist in Berlin on 29 March 2026, nor in New York on 8 March.
#[test]
fn a_skipped_hour() {
    let once = shown("30 2 * * *", BERLIN, "2026-03-27T12:00:00Z", 3);
    assert_eq!(once, ["03-28 02:30+01:00", "03-29 03:00+02:00", "03-30 02:30+02:00"]);
    let often = shown("*/30 * * * *", BERLIN, "2026-03-29T00:00:00Z", 3);
    assert_eq!(often, ["03-29 01:30+01:00", "03-29 03:00+02:00", "03-29 03:30+02:00"]);
    let listed = shown("30 1,2 * * *", BERLIN, "2026-03-28T12:00:00Z", 3);
    assert_eq!(listed, ["03-29 01:30+01:00", "03-30 01:30+02:00", "03-30 02:30+02:00"]);
    let once = shown("30 2 * * *", NEW_YORK, "2026-03-07T12:00:00Z", 2);
    assert_eq!(once, ["03-08 03:00-04:00", "03-09 02:30-04:00"]);
    let hourly = shown("0 * * * *", NEW_YORK, "2026-03-08T05:30:00Z", 3);
    assert_eq!(hourly, ["03-08 01:00-05:00", "03-08 03:00-04:00", "03-08 04:00-04:00"]);
}

/// 02:00 to 03:00 is twice in Berlin on 25 October 2026, 01:00 to 02:00 in New York on 1 November.
#[test]
fn a_repeated_hour() {
    let once = shown("30 2 * * *", BERLIN, "2026-10-24T12:00:00Z", 2);
    assert_eq!(once, ["10-25 02:30+02:00", "10-26 02:30+01:00"]);
    let often = shown("*/30 * * * *", BERLIN, "2026-10-24T23:30:00Z", 6);
    let both = [
        "02:00+02:00",
        "02:30+02:00",
        "02:00+01:00",
        "02:30+01:00",
        "03:00+01:00",
        "03:30+01:00",
    ];
    assert_eq!(often, both.map(|at| format!("10-25 {at}")));
    let once = shown("30 1 * * *", NEW_YORK, "2026-10-31T12:00:00Z", 2);
    assert_eq!(once, ["11-01 01:30-04:00", "11-02 01:30-05:00"]);
    let hourly = shown("0 * * * *", NEW_YORK, "2026-11-01T04:30:00Z", 3);
    assert_eq!(hourly, ["11-01 01:00-04:00", "11-01 01:00-05:00", "11-01 02:00-05:00"]);
}

#[test]
fn periods_are_counted_from_the_start() {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    let plain = spec(Timing::Every { period: minutes(15) });
    let after = time("2026-01-01T10:07:30Z");
    assert_eq!(
        ticks(&plain, after, 2),
        [time("2026-01-01T10:15:00Z"), time("2026-01-01T10:30:00Z")]
    );
    let started = ScheduleSpec {
        start: Some(time("2026-01-01T10:10:00Z")),
        ..plain.clone()
    };
    assert_eq!(
        ticks(&started, after, 2),
        [time("2026-01-01T10:10:00Z"), time("2026-01-01T10:25:00Z")]
    );
    let ended = ScheduleSpec {
        end: Some(time("2026-01-01T10:25:00Z")),
        ..started
    };
    assert_eq!(
        ticks(&ended, after, 2),
        [time("2026-01-01T10:10:00Z")],
        "the start counts, the end does not"
    );
    let before_1970 = spec(Timing::Every { period: minutes(60) });
    assert_eq!(
        ticks(&before_1970, time("1969-12-31T22:59:59Z"), 1),
        [time("1969-12-31T23:00:00Z")]
    );
    let never = ScheduleSpec {
        end: Some(time("2020-01-01T00:00:00Z")),
        ..plain
    };
    assert_eq!(ticks(&never, after, 1), []);
}

#[test]
fn start_and_end_bound_a_calendar() {
    let day = cron("0 12 * * *", BERLIN);
    let bounded = ScheduleSpec {
        start: Some(time("2026-05-01T10:00:00Z")),
        end: Some(time("2026-05-03T10:00:00Z")),
        ..day
    };
    let all = [time("2026-05-01T10:00:00Z"), time("2026-05-02T10:00:00Z")];
    assert_eq!(ticks(&bounded, time("2026-01-01T00:00:00Z"), 9), all);
}

#[test]
fn what_cannot_work_is_told() {
    let rows = [
        (
            cron("0 7 * *", BERLIN),
            "`0 7 * *` is no cron expression of five fields: ",
        ),
        (
            cron("61 * * * *", BERLIN),
            "`61 * * * *` is no cron expression of five fields: ",
        ),
        (
            cron("0 0 7 * * *", BERLIN),
            "`0 0 7 * * *` is no cron expression of five fields: ",
        ),
        (cron("", BERLIN), "`` is no cron expression of five fields: "),
        (cron("0 0 31 2 *", BERLIN), "`0 0 31 2 *` fits no day that there is"),
        (
            cron("0 7 * * *", "Europe/Atlantis"),
            "there is no time zone `Europe/Atlantis`",
        ),
        (
            spec(Timing::Every { period: Duration::ZERO }),
            "a period of 0ns is a busy loop",
        ),
        (spec(Timing::Every { period: Duration::MAX }), "never passes"),
    ];
    for (spec, problem) in rows {
        let told = Calendar::read(&spec).err().expect(problem);
        assert!(told.contains(problem), "{told}");
    }
}

/// The stored form of a spec never changes: schedules in databases are read by it.
#[test]
fn a_spec_is_stored_like_this() {
    let stored = r#"{"timing":{"cron":{"expression":"0 7 * * *","time_zone":"Europe/Berlin"}},"start":"2026-01-01T00:00:00Z","overlap":"queue","catch_up":{"secs":3600,"nanos":0},"priority":3}"#;
    let spec = ScheduleSpec {
        start: Some(time("2026-01-01T00:00:00Z")),
        overlap: Overlap::Queue,
        priority: 3,
        ..cron("0 7 * * *", BERLIN)
    };
    assert_eq!(serde_json::to_string(&spec).unwrap(), stored);
    assert_eq!(serde_json::from_str::<ScheduleSpec>(stored).unwrap(), spec);
    let every = spec_of_minute();
    let stored = r#"{"timing":{"every":{"period":{"secs":60,"nanos":0}}},"overlap":"skip","catch_up":{"secs":3600,"nanos":0},"priority":0}"#;
    assert_eq!(serde_json::to_string(&every).unwrap(), stored);
    assert_eq!(serde_json::from_str::<ScheduleSpec>(stored).unwrap(), every);
}

fn spec_of_minute() -> ScheduleSpec {
    spec(Timing::Every {
        period: Duration::from_secs(60),
    })
}

/// A system without time zones has them all the same.
#[test]
fn time_zones_come_along() {
    assert!(jiff::tz::db().get("Europe/Berlin").is_ok());
    let bundled = jiff::tz::TimeZoneDatabase::bundled();
    assert!(bundled.get("Europe/Berlin").is_ok() && bundled.get("America/New_York").is_ok());
}

/// A field that fits these values, written in one of the ways that there are.
fn field(low: u32, high: u32) -> impl Strategy<Value = (String, Vec<u32>)> {
    let all = move || (low..=high).collect::<Vec<_>>();
    prop_oneof![
        Just(("*".to_owned(), all())),
        (low..=high).prop_map(|value| (value.to_string(), vec![value])),
        (low..=high, low..=high).prop_map(|(a, b)| {
            let (a, b) = (a.min(b), a.max(b));
            (format!("{a}-{b}"), (a..=b).collect())
        }),
        (low..=high, low..=high).prop_map(|(a, b)| (format!("{a},{b}"), vec![a, b])),
        (2..=7_u32).prop_map(move |step| (
            format!("*/{step}"),
            all().into_iter().filter(|v| (v - low).is_multiple_of(step)).collect()
        )),
    ]
}

/// Whether a wall clock's minute fits, as the rules of cron say it.
struct Fields {
    minutes: Vec<u32>,
    hours: Vec<u32>,
    days: Option<Vec<u32>>,
    weekdays: Option<Vec<u32>>,
}

impl Fields {
    fn fit(&self, at: DateTime) -> bool {
        let has = |values: &[u32], value: i8| values.contains(&u32::try_from(value).unwrap());
        let day = self.days.as_ref().map(|days| has(days, at.day()));
        let weekday = self
            .weekdays
            .as_ref()
            .map(|days| has(days, at.weekday().to_sunday_zero_offset()));
        let date = match (day, weekday) {
            (Some(day), Some(weekday)) => day || weekday,
            (day, weekday) => day.or(weekday).unwrap_or(true),
        };
        date && has(&self.minutes, at.minute()) && has(&self.hours, at.hour())
    }
}

/// Looks at every minute: the first after `time` that fits, within so many days. In zones
/// without daylight saving the rules for it do not matter.
fn walk(fields: &Fields, zone: &TimeZone, time: Timestamp, days: i64) -> Option<Timestamp> {
    let first = time.as_second().div_euclid(60) + 1;
    let minutes = (first..first + days * 1_440).map(|minute| Timestamp::from_second(minute * 60).unwrap());
    let mut fitting = minutes.filter(|at| fields.fit(zone.to_datetime(*at)));
    fitting.next()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_calendar_agrees_with_a_walk_over_all_minutes(
        minute in field(0, 59),
        hour in field(0, 23),
        day in field(1, 28),
        weekday in field(0, 6),
        zone in prop_oneof![Just("UTC"), Just("Asia/Kolkata"), Just("America/Phoenix"), Just(BERLIN), Just(NEW_YORK)],
        second in 1_750_000_000..1_830_000_000_i64,
        micros in 0..1_000_000_i64,
    ) {
        let expression = format!("{} {} {} * {}", minute.0, hour.0, day.0, weekday.0);
        let calendar = Calendar::read(&cron(&expression, zone)).unwrap();
        let restricts = |field: &(String, Vec<u32>)| (!field.0.starts_with('*')).then(|| field.1.clone());
        // A step from a star restricts the day, but is not one of the two days of which either is enough.
        prop_assume!(!day.0.starts_with("*/") && !weekday.0.starts_with("*/"));
        let fields = Fields { minutes: minute.1.clone(), hours: hour.1.clone(), days: restricts(&day), weekdays: restricts(&weekday) };
        let time = Timestamp::from_microsecond(second * 1_000_000 + micros).unwrap();
        let next = calendar.next_after(time).unwrap();
        prop_assert!(next > time);
        prop_assert!(calendar.next_after(next).unwrap() > next);
        let single = minute.1.len() == 1 && hour.1.len() == 1 && !minute.0.contains(',') && !hour.0.contains(',');
        let zone = TimeZone::get(zone).unwrap();
        match walk(&fields, &zone, time, 40) {
            Some(found) if !single => prop_assert_eq!(next, found, "{}", expression),
            // The rules for a single time of day differ in the moved hours, and nowhere else.
            Some(found) if next != found => {
                let moved = |at: Timestamp| zone.to_offset(at - Duration::from_secs(7_200)) != zone.to_offset(at + Duration::from_secs(7_200));
                prop_assert!(moved(next) || moved(found), "{}: {} and {}", expression, next, found);
            }
            _ => {}
        }
    }

    #[test]
    fn periods_agree_with_counting(
        period in 10_000..100_000_000_i64,
        time in -1_000_000_000_000_000..4_000_000_000_000_000_i64,
        start in proptest::option::of(-1_000_000_000_000_000..4_000_000_000_000_000_i64),
        behind in 0..1_000_i64,
    ) {
        let micros = |micros| Timestamp::from_microsecond(micros).unwrap();
        let timing = Timing::Every { period: Duration::from_micros(period.unsigned_abs()) };
        let calendar = Calendar::read(&ScheduleSpec { start: start.map(micros), ..spec(timing) }).unwrap();
        let next = calendar.next_after(micros(time)).unwrap();
        prop_assert!(next > micros(time));
        prop_assert_eq!((next.as_microsecond() - start.unwrap_or(0)).rem_euclid(period), 0);
        prop_assert!(start.is_some_and(|start| start >= next.as_microsecond()) || next.as_microsecond() - time <= period);
        // Passing over many at once is passing over each.
        let until = next + Duration::from_micros(period.unsigned_abs() / 3 * behind.unsigned_abs());
        prop_assert_eq!(calendar.pass(next, until, u64::MAX), calendar.walk(next, until, u64::MAX));
    }
}
