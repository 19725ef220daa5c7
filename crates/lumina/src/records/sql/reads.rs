//! What is shown: metrics, the census, leads.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::ledger::spending;
use super::pauses::read_pauses;
use crate::records::db::{Db, Failure, Got, Row, Sql, Value, sql, values};
use crate::records::handle::reads;
use crate::records::{Census, Lead, LeadCompany, LeadQuery, Metrics, ReadError, Records, View};

impl Records {
    /// The dashboard's numbers.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn metrics(&self, view: View) -> Result<Metrics, ReadError> {
        reads!(self, |db| read_metrics(db, view))
    }

    /// How many of each there are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn census(&self) -> Result<Census, ReadError> {
        reads!(self, |db| read_census(db))
    }

    /// How many of these dedupe keys no subscriber has.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_unknown(&self, keys: Vec<String>) -> Result<u64, ReadError> {
        reads!(self, |db| count_unknown(db, &keys))
    }

    /// Leads, best first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn leads(&self, query: LeadQuery) -> Result<Vec<Lead>, ReadError> {
        reads!(self, |db| read_leads(db, query))
    }
}

async fn read_metrics(db: &impl Db, view: View) -> Got<Metrics> {
    let personal = count(db, sql!("SELECT count(*) FROM subscriber WHERE class = 'personal'")).await?;
    let enriched =
        sql!("SELECT count(*) FROM lead l JOIN subscriber s ON s.id = l.subscriber WHERE s.class = 'personal'");
    let enriched = count(db, enriched).await?;
    let open = sql!("SELECT count(*) FROM enrichment_job WHERE status IN ('pending', 'submitted')");
    let open = count(db, open).await?;
    let pauses = read_pauses(db).await?.into_iter();
    Ok(Metrics {
        total_subscribers: count(db, sql!("SELECT count(*) FROM subscriber")).await?,
        personal_email_count: personal,
        enriched_count: enriched,
        pending_count: open,
        dark_funnel_percentage: percentage(enriched, personal),
        total_credits_used: credits_used(db).await?,
        estimated_pending_credits: open,
        pauses: pauses.map(|pause| pause.shown(view.looks, view.now)).collect(),
        budget: spending(db, view.budgets, view.now).await?,
    })
}

async fn read_census(db: &impl Db) -> Got<Census> {
    let gems = sql!("SELECT count(*) FROM lead WHERE hidden_gem");
    Ok(Census {
        classes: groups(db, sql!("SELECT class, count(*) FROM subscriber GROUP BY class"), &[]).await?,
        jobs: groups(
            db,
            sql!("SELECT status, count(*) FROM enrichment_job GROUP BY status"),
            &[],
        )
        .await?,
        hidden_gems: count(db, gems).await?,
        credits_used: credits_used(db).await?,
    })
}

pub(super) async fn count(db: &impl Db, sql: &Sql) -> Got<u64> {
    db.value(sql, &[]).await
}

/// Numbers by what they are of.
pub(super) async fn groups(db: &impl Db, sql: &Sql, values: &[Value<'_>]) -> Got<BTreeMap<String, u64>> {
    let groups = db.list(sql, values, |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(groups.await?.into_iter().collect())
}

async fn count_unknown(db: &impl Db, keys: &[String]) -> Got<u64> {
    let each: Vec<_> = keys.iter().map(|key| values![key]).collect();
    let find = sql!("SELECT 1 FROM subscriber WHERE dedupe_key = ?");
    let known = db.find_each(find, &each, |_| Ok(())).await?;
    Ok(known.iter().filter(|known| known.is_none()).count() as u64)
}

async fn read_leads(db: &impl Db, query: LeadQuery) -> Got<Vec<Lead>> {
    let (score, id) = query.after.unwrap_or((u8::MAX, Uuid::nil()));
    db.list(
        sql!(
            "SELECT l.subscriber, s.email, coalesce(l.full_name, s.name), l.title, l.seniority, l.company_name,
                    l.company_domain, l.headcount, l.headcount_range, l.industry, l.linkedin_url, l.icp_score,
                    l.icp_reasons, l.hidden_gem, s.source, l.enriched_at
             FROM lead l JOIN subscriber s ON s.id = l.subscriber
             WHERE l.icp_score >= ?1 AND (l.icp_score < ?2 OR (l.icp_score = ?2 AND l.subscriber > ?3))
             ORDER BY l.icp_score DESC, l.subscriber LIMIT ?4"
        ),
        &values![query.min_score, score, id, query.limit],
        read_lead,
    )
    .await
}

async fn credits_used(db: &impl Db) -> Got<u64> {
    count(
        db,
        sql!("SELECT CAST(coalesce(sum(cost), 0) AS BIGINT) FROM enrichment"),
    )
    .await
}

/// In per cent, with two decimals; 0 of nothing.
fn percentage(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 * 10_000.0 / whole as f64).round() / 100.0
}

fn read_lead(row: &Row<'_>) -> Got<Lead> {
    let reasons: String = row.get(12)?;
    let unreadable = |error: serde_json::Error| Failure::Unreadable(format!("the reasons of a score: {error}"));
    Ok(Lead {
        id: row.get(0)?,
        email: row.get(1)?,
        full_name: row.get(2)?,
        title: row.get(3)?,
        seniority: row.get(4)?,
        company: LeadCompany {
            name: row.get(5)?,
            domain: row.get(6)?,
            headcount: row.get(7)?,
            headcount_range: row.get(8)?,
            industry: row.get(9)?,
        },
        linkedin_url: row.get(10)?,
        icp_score: row.get(11)?,
        icp_reasons: serde_json::from_str(&reasons).map_err(unreadable)?,
        hidden_gem: row.get(13)?,
        source: row.get(14)?,
        enriched_at: row.time(15)?,
    })
}
