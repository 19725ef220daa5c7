//! What is shown: metrics, the census, leads.

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::ledger::spending;
use super::sweep::read_pauses;
use super::{ReadError, Records, from_micros};
use crate::records::{Census, Lead, LeadCompany, LeadQuery, Metrics, View};

impl Records {
    /// The dashboard's numbers.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn metrics(&self, view: View) -> Result<Metrics, ReadError> {
        self.read(move |connection| {
            let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u64>(0));
            let personal = count("SELECT count(*) FROM subscriber WHERE class = 'personal'")?;
            let enriched = count(
                "SELECT count(*) FROM lead l JOIN subscriber s ON s.id = l.subscriber WHERE s.class = 'personal'",
            )?;
            let open = count("SELECT count(*) FROM enrichment_job WHERE status IN ('pending', 'submitted')")?;
            Ok(Metrics {
                total_subscribers: count("SELECT count(*) FROM subscriber")?,
                personal_email_count: personal,
                enriched_count: enriched,
                pending_count: open,
                dark_funnel_percentage: percentage(enriched, personal),
                total_credits_used: credits_used(connection)?,
                estimated_pending_credits: open,
                pauses: read_pauses(connection)?
                    .into_iter()
                    .map(|pause| pause.shown(view.looks, view.now))
                    .collect(),
                budget: spending(connection, view.budgets, view.now)?,
            })
        })
        .await
    }

    /// How many of each there are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn census(&self) -> Result<Census, ReadError> {
        self.read(|connection| {
            let groups = |sql: &str| -> rusqlite::Result<std::collections::BTreeMap<String, u64>> {
                let mut find = connection.prepare_cached(sql)?;
                find.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)))?
                    .collect()
            };
            Ok(Census {
                classes: groups("SELECT class, count(*) FROM subscriber GROUP BY class")?,
                jobs: groups("SELECT status, count(*) FROM enrichment_job GROUP BY status")?,
                hidden_gems: connection
                    .query_row("SELECT count(*) FROM lead WHERE hidden_gem", [], |row| row.get(0))?,
                credits_used: credits_used(connection)?,
            })
        })
        .await
    }

    /// How many of these dedupe keys no subscriber has.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_unknown(&self, keys: Vec<String>) -> Result<u64, ReadError> {
        self.read(move |connection| {
            let mut find = connection.prepare_cached("SELECT 1 FROM subscriber WHERE dedupe_key = ?")?;
            let mut unknown = 0;
            for key in &keys {
                unknown += u64::from(!find.exists([key])?);
            }
            Ok(unknown)
        })
        .await
    }

    /// Leads, best first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn leads(&self, query: LeadQuery) -> Result<Vec<Lead>, ReadError> {
        self.read(move |connection| {
            let (score, id) = query.after.unwrap_or((u8::MAX, Uuid::nil()));
            let mut find = connection.prepare_cached(
                "SELECT l.subscriber, s.email, coalesce(l.full_name, s.name), l.title, l.seniority, l.company_name,
                        l.company_domain, l.headcount, l.headcount_range, l.industry, l.linkedin_url, l.icp_score,
                        l.icp_reasons, l.hidden_gem, s.source, l.enriched_at
                 FROM lead l JOIN subscriber s ON s.id = l.subscriber
                 WHERE l.icp_score >= ?1 AND (l.icp_score < ?2 OR (l.icp_score = ?2 AND l.subscriber > ?3))
                 ORDER BY l.icp_score DESC, l.subscriber LIMIT ?4",
            )?;
            find.query_map(params![query.min_score, score, id, query.limit], read_lead)?
                .collect()
        })
        .await
    }
}

fn credits_used(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT coalesce(sum(cost), 0) FROM enrichment", [], |row| row.get(0))
}

/// In per cent, with two decimals; 0 of nothing.
fn percentage(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 * 10_000.0 / whole as f64).round() / 100.0
}

fn read_lead(row: &Row<'_>) -> rusqlite::Result<Lead> {
    let reasons: String = row.get(12)?;
    let unreadable = |error: serde_json::Error| {
        rusqlite::Error::FromSqlConversionFailure(12, rusqlite::types::Type::Text, Box::new(error))
    };
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
        enriched_at: from_micros(15, row.get(15)?)?,
    })
}
