//! The words of titles, folded (lower case, no accents), in English, German, Dutch, French, Spanish, Italian,
//! Portuguese and Polish.

use super::Seniority;

/// FullEnrich's levels, and the spellings that other sources use for them.
pub(super) fn provider_level(folded: &str) -> Option<Seniority> {
    let plain: String = folded.chars().filter(|c| c.is_alphanumeric()).collect();
    let level = match plain.as_str() {
        "clevel" | "csuite" | "cxo" | "clevelexecutive" => Seniority::CLevel,
        "founder" | "cofounder" => Seniority::Founder,
        "owner" => Seniority::Owner,
        "vp" | "vicepresident" => Seniority::Vp,
        "head" => Seniority::Head,
        "director" => Seniority::Director,
        "partner" => Seniority::Partner,
        "manager" => Seniority::Manager,
        "lead" => Seniority::Lead,
        "senior" => Seniority::Senior,
        "lower"
        | "other"
        | "junior"
        | "entry"
        | "entrylevel"
        | "intern"
        | "internship"
        | "trainee"
        | "training"
        | "unpaid"
        | "staff"
        | "individualcontributor" => Seniority::Other,
        _ => return None,
    };
    Some(level)
}

/// Words that name a rank by themselves, whatever stands beside them.
pub(super) fn plain_rank(word: &str) -> Option<Seniority> {
    let rank = match word {
        "founder" | "cofounder" | "grunder" | "grunderin" | "mitgrunder" | "mitgrunderin" | "gruender"
        | "gruenderin" | "mitgruender" | "fondateur" | "fondatrice" | "cofondateur" | "cofondatrice" | "fundador"
        | "fundadora" | "cofundador" | "cofundadora" | "fondatore" | "cofondatore" | "oprichter" | "medeoprichter"
        | "załozyciel" | "załozycielka" => Seniority::Founder,
        "owner" | "coowner" | "inhaber" | "inhaberin" | "eigentumer" | "eigentumerin" | "gesellschafter"
        | "proprietaire" | "proprietario" | "propietario" | "propietaria" | "dueno" | "duena" | "titolare"
        | "eigenaar" | "własciciel" | "proprietor" => Seniority::Owner,
        "geschaftsfuhrer"
        | "geschaftsfuhrung"
        | "geschaftsfuhrerin"
        | "geschaeftsfuehrer"
        | "geschaeftsfuehrerin"
        | "vorstand"
        | "vorstandin"
        | "vorstandsvorsitzender"
        | "vorstandsvorsitzende"
        | "vorstandsmitglied"
        | "gerant"
        | "gerante"
        | "cogerant"
        | "pdg"
        | "bestuurder"
        | "prezes"
        | "chairman"
        | "chairwoman"
        | "chairperson" => Seniority::CLevel,
        "vp" | "svp" | "evp" | "vicepresident" | "vicepresidente" | "vizeprasident" | "wiceprezes" => Seniority::Vp,
        "head" | "bereichsleiter" | "bereichsleiterin" | "abteilungsleiter" | "abteilungsleiterin" | "leiter"
        | "leiterin" | "hoofd" | "jefe" | "jefa" => Seniority::Head,
        "director" | "dir" | "direktor" | "direktorin" | "directeur" | "directrice" | "directora" | "direttore"
        | "direttrice" | "diretor" | "diretora" | "dyrektor" => Seniority::Director,
        "partner" | "partnerin" | "associe" | "associee" | "socio" | "socia" => Seniority::Partner,
        "manager" | "mgr" | "mngr" | "managerin" | "gerente" | "responsable" | "responsabile" | "kierownik"
        | "projektleiter" | "projektleiterin" | "supervisor" => Seniority::Manager,
        "lead" | "leader" | "teamlead" | "teamleiter" | "teamleiterin" | "teamleader" => Seniority::Lead,
        "senior" | "sr" | "snr" | "principal" => Seniority::Senior,
        _ => return None,
    };
    Some(rank)
}

/// The abbreviations of chief officers.
pub(super) fn is_chief_abbreviation(word: &str) -> bool {
    matches!(
        word,
        "ceo"
            | "cto"
            | "cfo"
            | "coo"
            | "cmo"
            | "cio"
            | "cpo"
            | "cro"
            | "cco"
            | "cso"
            | "chro"
            | "ciso"
            | "cdo"
            | "clo"
            | "cao"
            | "cbo"
            | "cgo"
            | "cxo"
            | "cpto"
            | "cino"
            | "cko"
            | "cdao"
    )
}

/// Words after which what follows belongs to somebody or something else.
pub(super) fn is_preposition(word: &str) -> bool {
    matches!(
        word,
        "to" | "of"
            | "for"
            | "at"
            | "in"
            | "from"
            | "with"
            | "by"
            | "under"
            | "behind"
            | "on"
            | "de"
            | "du"
            | "des"
            | "d"
            | "au"
            | "aux"
            | "chez"
            | "del"
            | "della"
            | "dello"
            | "di"
            | "da"
            | "do"
            | "dos"
            | "das"
            | "der"
            | "den"
            | "dem"
            | "zum"
            | "zur"
            | "von"
            | "vom"
            | "fur"
            | "fuer"
            | "bei"
            | "beim"
            | "im"
            | "am"
            | "van"
            | "voor"
            | "bij"
    )
}

/// The prepositions by which somebody belongs to somebody else: an assistant *to* a chief, the office *of* one.
pub(super) fn is_genitive(word: &str) -> bool {
    matches!(
        word,
        "to" | "of"
            | "for"
            | "de"
            | "du"
            | "des"
            | "au"
            | "del"
            | "della"
            | "dello"
            | "di"
            | "da"
            | "do"
            | "der"
            | "dem"
            | "zum"
            | "zur"
            | "von"
            | "vom"
            | "fur"
            | "fuer"
            | "van"
            | "voor"
    )
}

/// Words for people who assist.
pub(super) fn is_assistant(word: &str) -> bool {
    matches!(
        word,
        "assistant"
            | "asst"
            | "assistante"
            | "assistenz"
            | "assistent"
            | "assistentin"
            | "asistente"
            | "assistente"
            | "asystent"
            | "asystentka"
            | "ea"
            | "pa"
            | "secretary"
            | "secretaire"
            | "secretaria"
            | "segretaria"
            | "sekretar"
            | "sekretarin"
    )
}

/// Words for people and rooms that serve somebody: with a genitive, every rank behind it is somebody else's.
pub(super) fn is_servant(word: &str) -> bool {
    is_assistant(word)
        || matches!(
            word,
            "office"
                | "buro"
                | "bureau"
                | "staff"
                | "aide"
                | "adjoint"
                | "adjointe"
                | "advisor"
                | "adviser"
                | "liaison"
        )
}

/// Words that turn the rank before them into somebody else's: `CEO Office`, `Founder Associate`, `CRO Specialist`.
pub(super) fn takes_rank_away(word: &str) -> bool {
    is_assistant(word)
        || matches!(
            word,
            "office"
                | "associate"
                | "advisor"
                | "adviser"
                | "coach"
                | "coaching"
                | "consultant"
                | "recruiter"
                | "recruitment"
                | "liaison"
                | "support"
                | "specialist"
                | "analyst"
                | "expert"
                | "strategist"
                | "intern"
                | "relations"
                | "success"
                | "candidate"
                | "club"
                | "ghostwriter"
        )
}

/// Words that say that a rank is past, or not yet.
pub(super) fn is_not_now(word: &str) -> bool {
    matches!(
        word,
        "former"
            | "formerly"
            | "ex"
            | "past"
            | "previous"
            | "previously"
            | "retired"
            | "emeritus"
            | "aspiring"
            | "future"
            | "wannabe"
            | "ehemaliger"
            | "ehemalige"
            | "ehem"
            | "ancien"
            | "ancienne"
            | "voormalig"
            | "retraite"
            | "rentner"
    )
}

/// Words of somebody who is learning the position.
pub(super) fn is_beginner(word: &str) -> bool {
    matches!(
        word,
        "intern"
            | "trainee"
            | "student"
            | "apprentice"
            | "junior"
            | "jr"
            | "werkstudent"
            | "werkstudentin"
            | "praktikant"
            | "praktikantin"
            | "stagiaire"
            | "becario"
            | "graduate"
    )
}

/// What an owner owns who is no owner of a company: `Product Owner`.
pub(super) fn is_owned_at_work(word: &str) -> bool {
    matches!(
        word,
        "product"
            | "process"
            | "system"
            | "systems"
            | "data"
            | "service"
            | "application"
            | "platform"
            | "project"
            | "feature"
            | "content"
            | "risk"
            | "control"
            | "asset"
            | "backlog"
            | "technical"
            | "scrum"
            | "issue"
            | "domain"
            | "solution"
            | "module"
            | "component"
            | "program"
            | "programme"
            | "epic"
            | "requirements"
            | "journey"
            | "api"
            | "tool"
            | "portfolio"
            | "budget"
            | "home"
            | "dog"
            | "cat"
            | "pet"
    )
}

/// What makes a partner a colleague or a reseller: `HR Business Partner`.
pub(super) fn precedes_no_partner(word: &str) -> bool {
    matches!(
        word,
        "business"
            | "channel"
            | "technology"
            | "tech"
            | "implementation"
            | "delivery"
            | "alliance"
            | "alliances"
            | "solution"
            | "solutions"
            | "hr"
            | "people"
            | "talent"
            | "sales"
            | "design"
            | "training"
            | "sparring"
            | "strategic"
            | "finance"
    )
}

/// What makes `partner` a word about resellers: `Partner Manager`.
pub(super) fn follows_no_partner(word: &str) -> bool {
    matches!(
        word,
        "manager"
            | "management"
            | "success"
            | "marketing"
            | "sales"
            | "development"
            | "account"
            | "accounts"
            | "solutions"
            | "solution"
            | "engineer"
            | "engineering"
            | "enablement"
            | "operations"
            | "relations"
            | "specialist"
            | "program"
            | "programs"
            | "alliances"
            | "lead"
            | "director"
            | "marketer"
            | "onboarding"
            | "growth"
            | "executive"
            | "support"
            | "technology"
            | "ecosystem"
            | "coordinator"
            | "consultant"
            | "business"
    )
}

/// What makes `head` no rank: `head hunter`, `head office`.
pub(super) fn follows_no_head(word: &str) -> bool {
    matches!(
        word,
        "hunter" | "hunters" | "hunting" | "office" | "quarters" | "quarter"
    )
}

/// What makes `lead` a thing that salespeople collect: `lead generation`.
pub(super) fn follows_no_lead(word: &str) -> bool {
    matches!(
        word,
        "generation"
            | "gen"
            | "generator"
            | "qualification"
            | "research"
            | "researcher"
            | "nurturing"
            | "management"
            | "scoring"
            | "sourcing"
            | "development"
    )
}
