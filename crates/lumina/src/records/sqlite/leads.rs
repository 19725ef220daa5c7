//! Leads: what was found of a subscriber, and its score.

use lumina_enrichment::job::JobStatus;
use lumina_workflow::StepError;
use lumina_workflow_sqlite::Tx;
use rusqlite::params;
use uuid::Uuid;

use super::{Written, micros};
use crate::records::LeadRow;

pub(super) fn write_lead(tx: &Tx<'_>, subscriber: Uuid, lead: &LeadRow) -> Written<()> {
    let class: String = tx
        .connection()
        .prepare_cached("SELECT class FROM subscriber WHERE id = ?")?
        .query_row([subscriber], |row| row.get(0))?;
    let class = class.parse().map_err(StepError::fail)?;
    let gem = lumina_enrichment::icp::is_hidden_gem(class, JobStatus::Enriched, lead.icp_score);
    let reasons = serde_json::to_string(&lead.icp_reasons).map_err(StepError::fail)?;
    tx.connection()
        .prepare_cached(
            "INSERT OR REPLACE INTO lead (subscriber, full_name, title, seniority, company_name, company_domain, headcount,
             headcount_range, industry, linkedin_url, icp_score, icp_reasons, hidden_gem, enriched_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            subscriber,
            lead.full_name,
            lead.title,
            lead.seniority,
            lead.company.name,
            lead.company.domain,
            lead.company.headcount,
            lead.company.headcount_range,
            lead.company.industry,
            lead.linkedin_url,
            lead.icp_score,
            reasons,
            gem,
            micros(tx.now())
        ])?;
    Ok(())
}
