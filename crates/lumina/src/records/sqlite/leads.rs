//! Leads: what was found of a subscriber, and its score.

use lumina_enrichment::job::JobStatus;
use lumina_workflow::StepError;
use lumina_workflow_sqlite::Tx;
use rusqlite::params;
use uuid::Uuid;

use super::{Written, micros};
use crate::records::LeadRow;

/// Writes what was found by a lookup. Another answer to the same lookup may say less, and takes nothing away: it fills
/// gaps, and the better known score stays. A lookup that was made anew replaces what an older one found.
pub(super) fn write_lead(tx: &Tx<'_>, subscriber: Uuid, job: Uuid, lead: &LeadRow) -> Written<()> {
    let class: String = tx
        .connection()
        .prepare_cached("SELECT class FROM subscriber WHERE id = ?")?
        .query_row([subscriber], |row| row.get(0))?;
    let class = class.parse().map_err(StepError::fail)?;
    let gem = lumina_enrichment::icp::is_hidden_gem(class, JobStatus::Enriched, lead.icp_score);
    let reasons = serde_json::to_string(&lead.icp_reasons).map_err(StepError::fail)?;
    tx.connection()
        .prepare_cached(
            "INSERT INTO lead (subscriber, full_name, title, seniority, company_name, company_domain, headcount,
             headcount_range, industry, linkedin_url, icp_score, icp_reasons, hidden_gem, enriched_at, job)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (subscriber) DO UPDATE SET
             full_name = iif(job IS excluded.job AND coalesce(length(full_name), 0) >= coalesce(length(excluded.full_name), 0),
                             full_name, excluded.full_name),
             title = iif(job IS excluded.job, coalesce(title, excluded.title), excluded.title),
             seniority = iif(job IS excluded.job, coalesce(seniority, excluded.seniority), excluded.seniority),
             company_name = iif(job IS excluded.job, coalesce(company_name, excluded.company_name), excluded.company_name),
             company_domain = iif(job IS excluded.job, coalesce(company_domain, excluded.company_domain), excluded.company_domain),
             headcount = iif(job IS excluded.job, coalesce(headcount, excluded.headcount), excluded.headcount),
             headcount_range = iif(job IS excluded.job, coalesce(headcount_range, excluded.headcount_range), excluded.headcount_range),
             industry = iif(job IS excluded.job, coalesce(industry, excluded.industry), excluded.industry),
             linkedin_url = iif(job IS excluded.job, coalesce(linkedin_url, excluded.linkedin_url), excluded.linkedin_url),
             icp_reasons = iif(job IS excluded.job AND icp_score >= excluded.icp_score, icp_reasons, excluded.icp_reasons),
             hidden_gem = iif(job IS excluded.job AND icp_score >= excluded.icp_score, hidden_gem, excluded.hidden_gem),
             icp_score = iif(job IS excluded.job, max(icp_score, excluded.icp_score), excluded.icp_score),
             enriched_at = excluded.enriched_at, job = excluded.job",
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
            micros(tx.now()),
            job
        ])?;
    Ok(())
}
