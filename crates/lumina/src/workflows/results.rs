//! From the provider's words to ours: people, scores, and what an answer means for each job.

use lumina_enrichment::icp::{IcpProfile, score};
use lumina_enrichment::person;
use lumina_fullenrich::BatchStatus;
use lumina_fullenrich::result::{Company, Employment, EnrichmentResult, Location, Place, Profile, Record};

use super::context::JOB_TAG;
use crate::records::{JobAnswer, JobId, LeadCompany, LeadRow, Subject, Verdicts};

/// What a final answer says of each job that it names.
pub fn judge(result: &EnrichmentResult, profile: &IcpProfile) -> Verdicts {
    let looked_at = looked_at_everything(result);
    let judged = |record: &Record| Some((subject_of(record)?, judge_record(record, profile, looked_at)));
    Verdicts {
        records: result.data.iter().filter_map(judged).collect(),
        cost: result.credits(),
        unnamed_not_looked_at: !looked_at,
    }
}

/// What an answer before the end says of those who were found. Of the others it says nothing yet.
pub(super) fn judge_found(result: &EnrichmentResult, profile: &IcpProfile) -> Verdicts {
    let is_found = |(_, answer): &(Subject, JobAnswer)| matches!(answer, JobAnswer::Found(_));
    let judged = judge(result, profile);
    Verdicts {
        records: judged.records.into_iter().filter(is_found).collect(),
        ..Verdicts::default()
    }
}

/// Whether a record without a person means that there is none.
fn looked_at_everything(result: &EnrichmentResult) -> bool {
    result.status == Some(BatchStatus::Finished)
}

/// Its own tag goes before the address: two subscribers' addresses may be one to the provider.
fn subject_of(record: &Record) -> Option<Subject> {
    let tagged = record.custom.get(JOB_TAG).and_then(|tag| tag.parse().ok());
    let job = tagged.map(|job| Subject::Job(JobId(job)));
    job.or_else(|| Some(Subject::Email(record.input.email.clone()?)))
}

fn judge_record(record: &Record, profile: &IcpProfile, looked_at: bool) -> JobAnswer {
    match &record.profile {
        Some(found) => JobAnswer::Found(Box::new(make_lead(found, profile))),
        None if looked_at => JobAnswer::NotFound,
        None => JobAnswer::NotLookedAt,
    }
}

fn make_lead(found: &Profile, profile: &IcpProfile) -> LeadRow {
    let person = person_of(found);
    let score = score(profile, &person);
    let employment = person.employment.as_ref();
    let company = person.company();
    LeadRow {
        full_name: person.display_name(),
        title: employment.and_then(|employment| employment.title.clone()),
        seniority: employment.and_then(|employment| employment.seniority.clone()),
        company: LeadCompany {
            name: company.and_then(|company| company.name.clone()),
            domain: company.and_then(|company| company.domain.clone()),
            headcount: company.and_then(person::Company::known_headcount),
            headcount_range: company
                .and_then(|company| company.headcount_range)
                .map(|range| range.to_string()),
            industry: company.and_then(|company| company.industry.clone()),
        },
        linkedin_url: person.linkedin_url.clone(),
        icp_score: score.total,
        icp_reasons: score.reasons.iter().map(ToString::to_string).collect(),
    }
}

fn person_of(found: &Profile) -> person::Person {
    person::Person {
        full_name: found.full_name.clone(),
        first_name: found.first_name.clone(),
        last_name: found.last_name.clone(),
        headline: found.headline.clone(),
        location: Some(location_of(&found.location)),
        linkedin_url: found.linkedin_url().map(str::to_owned),
        employment: found.current_employment().map(employment_of),
    }
}

fn location_of(place: &Location) -> person::Location {
    person::Location {
        city: place.city.clone(),
        region: place.region.clone(),
        country: place.country.clone(),
        country_code: place.country_code.clone(),
    }
}

fn headquarters_of(place: &Place) -> person::Location {
    person::Location {
        city: place.city.clone(),
        region: place.region.clone(),
        country: place.country.clone(),
        country_code: place.country_code.clone(),
    }
}

fn employment_of(employment: &Employment) -> person::Employment {
    person::Employment {
        title: employment.title.clone(),
        seniority: employment.seniority.clone(),
        is_current: employment.is_current,
        company: employment.company.as_ref().map(company_of),
    }
}

fn company_of(company: &Company) -> person::Company {
    person::Company {
        name: company.name.clone(),
        domain: company.domain.clone(),
        website: company.website.clone(),
        headcount: company.headcount,
        headcount_range: company.headcount_range.as_deref().and_then(|range| range.parse().ok()),
        industry: company.industry.main_industry.clone(),
        linkedin_url: company
            .social_profiles
            .professional_network
            .web_url()
            .map(str::to_owned),
        headquarters: Some(headquarters_of(&company.locations.headquarters)),
        year_founded: company.year_founded.and_then(|year| i32::try_from(year).ok()),
    }
}
