//! The ledger by UTC day.

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use lumina_enrichment::credits::{CreditPrice, Credits};
use serde::Serialize;
use serde_json::json;

use super::super::Global;
use super::super::output::{align_right, keep_whole, print_json, print_line, print_next, table, thousands};
use crate::app::App;
use crate::config::Config;
use crate::records::LedgerDay;

/// How many days are shown unless another number is asked for.
const DAYS: u32 = 30;

#[derive(Args)]
pub(super) struct DaysArgs {
    /// The last N UTC days, today included [default: 30].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    /// A UTC month, such as 2026-08; without a value this one.
    #[arg(long, value_name = "MONTH", conflicts_with = "days", num_args = 0..=1, default_missing_value = "now")]
    month: Option<String>,
}

/// A day, or all of them, with what a lead of it cost.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Priced {
    #[serde(flatten)]
    sums: LedgerDay,
    /// Nothing where there are no leads.
    credits_per_lead: Option<f64>,
    dollars_per_lead: Option<f64>,
}

pub(super) async fn show(global: &Global, config: &Config, app: &App, args: &DaysArgs) -> anyhow::Result<()> {
    let now = app.context.runtime.now();
    let (from, to) = args.range(now)?;
    let days = app.records.credits_by_day(from, to).await?;
    let spending = app.records.spending(app.context.settings.budgets, now).await?;
    let price = config.enrichment.credit_price;
    let total = days.iter().fold(LedgerDay::empty(to), LedgerDay::plus);
    if global.json {
        let priced: Vec<Priced> = days.iter().map(|day| Priced::of(*day, price)).collect();
        let mut total = serde_json::to_value(Priced::of(total, price))?;
        total.as_object_mut().expect("a struct is an object").remove("day");
        return print_json(
            &json!({"from": from, "to": to, "days": priced, "total": total, "budget": spending, "creditPrice": price.to_string()}),
        );
    }
    match days.is_empty() {
        true => print_line(&format!("Nothing was sent from {from} to {to}."))?,
        false => print_line(&render(&days, &total, price))?,
    }
    print_line(&format!("\nToday: {}.", super::describe(&spending.day)))?;
    print_line(&format!("This month: {}.", super::describe(&spending.month)))?;
    if total.unanswered > 0 {
        let most = thousands(total.unanswered);
        print_line(&format!(
            "Batches that are not answered may cost up to {most} credits more."
        ))?;
    }
    match days.last() {
        Some(last) => print_next(&[(
            &format!("lumina credits batches --day {}", last.day),
            "the batches of a day, with what became of them",
        )]),
        None => print_next(&[("lumina enrich --dry-run", "what would be bought now, and at what cost")]),
    }
}

impl DaysArgs {
    /// The first and the last day.
    fn range(&self, now: Timestamp) -> anyhow::Result<(Date, Date)> {
        let today = now.to_zoned(TimeZone::UTC).date();
        let Some(month) = &self.month else {
            let back = i64::from(self.days.unwrap_or(DAYS)) - 1;
            return Ok((today.checked_sub(back.days())?, today));
        };
        let first = match month.as_str() {
            "now" => today.first_of_month(),
            month => read_month(month)?,
        };
        Ok((first, first.last_of_month()))
    }
}

fn read_month(text: &str) -> anyhow::Result<Date> {
    let told = || format!("`{text}` is no month; write it as 2026-08");
    let (year, month) = text.split_once('-').with_context(told)?;
    let (Ok(year), Ok(month)) = (year.parse(), month.parse()) else {
        bail!(told());
    };
    if !(1..=9_999).contains(&year) || !(1..=12).contains(&month) {
        bail!(told());
    }
    Ok(date(year, month, 1))
}

impl Priced {
    fn of(sums: LedgerDay, price: CreditPrice) -> Self {
        let per_lead = |amount: f64| (sums.leads > 0).then(|| amount / sums.leads as f64);
        Self {
            sums,
            credits_per_lead: per_lead(sums.actual as f64).map(|credits| round(credits, 1e2)),
            dollars_per_lead: per_lead(price.of(Credits::new(sums.actual)).micros() as f64 / 1e6)
                .map(|dollars| round(dollars, 1e4)),
        }
    }

    fn told(&self) -> String {
        match (self.credits_per_lead, self.dollars_per_lead) {
            (Some(credits), Some(dollars)) => format!("{credits:.2} (${dollars:.3})"),
            _ => "-".to_owned(),
        }
    }
}

fn round(number: f64, places: f64) -> f64 {
    (number * places).round() / places
}

fn render(days: &[LedgerDay], total: &LedgerDay, price: CreditPrice) -> String {
    let header = [
        "day",
        "batches",
        "addresses",
        "estimated",
        "actual",
        "found",
        "leads",
        "cost per lead",
    ];
    let mut table = table(&header);
    let rows = days.iter().map(|day| (day.day.to_string(), day));
    for (name, day) in rows.chain([("total".to_owned(), total)]) {
        table.add_row([
            name,
            thousands(day.batches),
            thousands(day.addresses),
            thousands(day.estimated),
            thousands(day.actual),
            thousands(day.found),
            thousands(day.leads),
            Priced::of(*day, price).told(),
        ]);
    }
    keep_whole(&mut table, &[0, 7]);
    align_right(&mut table, &[1, 2, 3, 4, 5, 6, 7]);
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(args: &DaysArgs) -> String {
        let now = "2026-02-03T23:59:59Z".parse().unwrap();
        args.range(now)
            .map_or_else(|error| error.to_string(), |(from, to)| format!("{from} to {to}"))
    }

    #[test]
    fn days_and_months_are_ranges_of_utc_days() {
        let days = |days| DaysArgs { days, month: None };
        let month = |month: &str| DaysArgs {
            days: None,
            month: Some(month.to_owned()),
        };
        let rows = [
            (days(None), "2026-01-05 to 2026-02-03"),
            (days(Some(1)), "2026-02-03 to 2026-02-03"),
            (month("now"), "2026-02-01 to 2026-02-28"),
            (month("2024-02"), "2024-02-01 to 2024-02-29"),
            (month("2026-13"), "`2026-13` is no month; write it as 2026-08"),
            (month("0-1"), "`0-1` is no month; write it as 2026-08"),
            (month("august"), "`august` is no month; write it as 2026-08"),
            (month("99999-01"), "`99999-01` is no month; write it as 2026-08"),
        ];
        for (args, expected) in rows {
            assert_eq!(range(&args), expected);
        }
    }

    #[test]
    fn a_lead_costs_what_was_charged_for_all() {
        let day = |actual, leads| LedgerDay {
            actual,
            leads,
            ..LedgerDay::empty(date(2026, 8, 1))
        };
        let rows = [
            (0, 0, "-"),
            (5, 0, "-"),
            (70, 70, "1.00 ($0.058)"),
            (70, 60, "1.17 ($0.068)"),
            (0, 3, "0.00 ($0.000)"),
        ];
        for (actual, leads, told) in rows {
            let priced = Priced::of(day(actual, leads), "0.058".parse().unwrap());
            assert_eq!(priced.told(), told, "{actual} for {leads}");
        }
    }
}
