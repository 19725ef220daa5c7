//! Leads: what was found of a subscriber, and its score.

use lumina_enrichment::email::AddressClass;
use lumina_enrichment::job::JobStatus;
use lumina_workflow::StepError;
use uuid::Uuid;

use super::micros;
use crate::records::LeadRow;
use crate::records::db::{Got, Tx, sql, values};

/// Whom something was found of.
pub(super) struct Person {
    pub subscriber: Uuid,
    pub class: AddressClass,
    pub job: Uuid,
}

/// Writes what was found by lookups. Another answer to the same lookup may say less, and takes nothing away: it fills
/// gaps, and the better known score stays. A lookup that was made anew replaces what an older one found.
pub(super) async fn write_leads(tx: &impl Tx, found: &[(Person, &LeadRow)]) -> Got<()> {
    let told = |lead: &LeadRow| serde_json::to_string(&lead.icp_reasons).map_err(StepError::fail);
    let reasons = found
        .iter()
        .map(|(_, lead)| told(lead))
        .collect::<Result<Vec<_>, _>>()?;
    let now = micros(tx.now());
    let mut leads = Vec::with_capacity(found.len());
    for ((person, lead), reasons) in found.iter().zip(&reasons) {
        let gem = lumina_enrichment::icp::is_hidden_gem(person.class, JobStatus::Enriched, lead.icp_score);
        leads.push(values![
            person.subscriber,
            &lead.full_name,
            &lead.title,
            &lead.seniority,
            &lead.company.name,
            &lead.company.domain,
            lead.company.headcount,
            &lead.company.headcount_range,
            &lead.company.industry,
            &lead.linkedin_url,
            lead.icp_score,
            reasons,
            gem,
            now,
            person.job,
        ]);
    }
    tx.execute_each(
        sql!(
            "INSERT INTO lead (subscriber, full_name, title, seniority, company_name, company_domain, headcount,
             headcount_range, industry, linkedin_url, icp_score, icp_reasons, hidden_gem, enriched_at, job)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (subscriber) DO UPDATE SET
             full_name = CASE WHEN lead.job IS NOT DISTINCT FROM excluded.job
                              AND coalesce(length(lead.full_name), 0) >= coalesce(length(excluded.full_name), 0)
                         THEN lead.full_name ELSE excluded.full_name END,
             title = CASE WHEN lead.job IS NOT DISTINCT FROM excluded.job
                         THEN coalesce(lead.title, excluded.title) ELSE excluded.title END,
             seniority = CASE WHEN lead.job IS NOT DISTINCT FROM excluded.job
                         THEN coalesce(lead.seniority, excluded.seniority) ELSE excluded.seniority END,
             company_name = CASE WHEN lead.job IS NOT DISTINCT FROM excluded.job
                         THEN coalesce(lead.company_name, excluded.company_name) ELSE excluded.company_name END,
             company_domain = CASE WHEN lead.job IS NOT DISTINCT FROM excluded.job
                         THEN coalesce(lead.company_domain, excluded.company_domain) ELSE excluded.company_domain END,
             headcount = CASE WHEN lead.job IS NOT DISTINCT FROM excluded.job
                         THEN coalesce(lead.headcount, excluded.headcount) ELSE excluded.headcount END,
             headcount_range = CASE WHEN lead.job IS NOT DISTINCT FROM excluded.job
                         THEN coalesce(lead.headcount_range, excluded.headcount_range)
                         ELSE excluded.headcount_range END,
             industry = CASE WHEN lead.job IS NOT DISTINCT FROM excluded.job
                         THEN coalesce(lead.industry, excluded.industry) ELSE excluded.industry END,
             linkedin_url = CASE WHEN lead.job IS NOT DISTINCT FROM excluded.job
                         THEN coalesce(lead.linkedin_url, excluded.linkedin_url) ELSE excluded.linkedin_url END,
             icp_reasons = CASE WHEN lead.job IS NOT DISTINCT FROM excluded.job AND lead.icp_score >= excluded.icp_score
                         THEN lead.icp_reasons ELSE excluded.icp_reasons END,
             hidden_gem = CASE WHEN lead.job IS NOT DISTINCT FROM excluded.job AND lead.icp_score >= excluded.icp_score
                         THEN lead.hidden_gem ELSE excluded.hidden_gem END,
             icp_score = CASE WHEN lead.job IS NOT DISTINCT FROM excluded.job AND lead.icp_score >= excluded.icp_score
                         THEN lead.icp_score ELSE excluded.icp_score END,
             enriched_at = excluded.enriched_at, job = excluded.job"
        ),
        &leads,
    )
    .await?;
    Ok(())
}
