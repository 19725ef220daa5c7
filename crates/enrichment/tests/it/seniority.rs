use lumina_enrichment::icp::Seniority::{
    self, CLevel, Director, Founder, Head, Lead, Manager, Other, Owner, Partner, Senior, Vp,
};
use proptest::prelude::*;

fn check(rows: &[(&str, Seniority)]) {
    for (title, expected) in rows {
        assert_eq!(Seniority::of_title(title), *expected, "{title:?}");
    }
}

#[test]
fn titles_that_look_like_more_than_they_are() {
    check(&[
        ("Executive Assistant to the CEO", Other),
        ("Executive Assistant to the CEO & CFO", Other),
        ("Executive Assistant to CEO, CTO and COO", Other),
        ("EA to CEO/CTO", Other),
        ("Executive Assistant, CEO Office", Other),
        ("Assistentin der Geschäftsführung", Other),
        ("Assistante du Directeur Général", Other),
        ("Assistant CEO", Other),
        ("Assistant to the Regional Manager", Other),
        ("Office of the CTO", Other),
        ("Engineer, Office of the CTO", Other),
        ("Office of the CEO and President", Other),
        ("CEO's Office", Other),
        ("Chief of Staff", Other),
        ("Chief of Staff to the CEO", Other),
        ("Headhunter", Other),
        ("Head Hunter", Other),
        ("Product Owner", Other),
        ("Technical Product Owner", Other),
        ("Senior Product Owner", Senior),
        ("Account Manager", Other),
        ("Key Account Manager", Other),
        ("Account Executive", Other),
        ("Former CEO", Other),
        ("former Vice President & CFO", Other),
        ("Ex-CEO", Other),
        ("CEO (retired)", Other),
        ("Aspiring CEO", Other),
        ("CEO Intern", Other),
        ("Founders Associate", Other),
        ("Founder's Associate", Other),
        ("Founder Associate", Other),
        ("Founding Engineer", Other),
        ("CRO Specialist", Other),
        ("HR Business Partner", Other),
        ("Partner Success Engineer", Other),
        ("Partner Manager", Manager),
        ("Lead Generation Specialist", Other),
        ("Member of the Board of Directors", Other),
        ("President's Club Seller", Other),
        ("Accountant", Other),
        ("Vectorist", Other),
        ("International Broker", Other),
        ("Leadership Trainer", Other),
        ("Junior Product Manager", Other),
        ("Advisor to the President", Other),
    ]);
}

#[test]
fn vice_presidents_are_not_presidents() {
    check(&[
        ("Vice President", Vp),
        ("Vice-President, Sales", Vp),
        ("Senior Vice President of Sales", Vp),
        ("V.P.", Vp),
        ("V.P. Marketing", Vp),
        ("VP Support", Vp),
        ("SVP Engineering", Vp),
        ("EVP", Vp),
        ("President", CLevel),
        ("President & COO", CLevel),
        ("Assistant Vice President", Manager),
    ]);
}

#[test]
fn the_highest_of_several_wins() {
    check(&[
        ("Co-Founder & VP", Founder),
        ("VP Product, Co-Founder", Founder),
        ("Cofounder/CTO", Founder),
        ("Founder and CEO", Founder),
        ("Manager | Owner at Acme", Owner),
        ("Former CEO, now Partner at Foo Capital", Partner),
        ("Partner at Foo Capital; former CEO", Partner),
        ("CEO, ex-Google", CLevel),
        ("Founder & CEO (ex Stripe)", Founder),
        ("Board Advisor & CEO", CLevel),
        ("Investment Associate at Fund, Founder of Acme", Founder),
        ("Product Owner and Head of Product", Head),
        ("Assistant - Head of Design", Head),
    ]);
}

#[test]
fn chief_officers_are_known_written_out_and_short() {
    check(&[
        ("CEO", CLevel),
        ("C.E.O.", CLevel),
        ("'CEO'", CLevel),
        ("CEO@Acme", CLevel),
        ("Co-CEO", CLevel),
        ("Interim CFO", CLevel),
        ("Chief Executive", CLevel),
        ("Chief Technology Officer", CLevel),
        ("Chief Information Security Officer", CLevel),
        ("Chief Product and Technology Officer", CLevel),
        ("Global Chief People & Culture Officer", CLevel),
        ("Managing Director", CLevel),
        ("Chairman of the Board", CLevel),
        ("Chief Architect", Senior),
    ]);
}

#[test]
fn ranks_below_the_top() {
    check(&[
        ("Head of Engineering", Head),
        ("Global Head, Talent", Head),
        ("Director of Product", Director),
        ("Senior Director", Director),
        ("Sr. Director, Data", Director),
        ("Assistant Director", Manager),
        ("Managing Partner", Partner),
        ("Founding Partner", Partner),
        ("Business Owner", Owner),
        ("Co-Owner", Owner),
        ("Owner/Operator", Owner),
        ("Engineering Manager", Manager),
        ("Mgr", Manager),
        ("Marketing Mgr.", Manager),
        ("Research and Development Manager", Manager),
        ("Office Manager", Manager),
        ("Tech Lead", Lead),
        ("Team Leader", Lead),
        ("Senior Software Engineer", Senior),
        ("Sr. Consultant", Senior),
        ("Principal Engineer", Senior),
        ("Software Engineer", Other),
        ("", Other),
        ("🚀", Other),
    ]);
}

#[test]
fn titles_in_other_languages() {
    check(&[
        ("Geschäftsführer", CLevel),
        ("Geschäftsführerin", CLevel),
        ("GESCHÄFTSFÜHRER", CLevel),
        ("Gescha\u{308}ftsfu\u{308}hrer", CLevel),
        ("Geschaeftsfuehrer", CLevel),
        ("Mitgründer & Geschäftsführer", Founder),
        ("Inhaber", Owner),
        ("Leiter Marketing", Head),
        ("Teamleiterin", Lead),
        ("directeur", Director),
        ("Directrice de la communication", Director),
        ("Directeur général", CLevel),
        ("gérant", CLevel),
        ("Gérante", CLevel),
        ("PDG", CLevel),
        ("Président-directeur général", CLevel),
        ("Fondatrice", Founder),
        ("Responsable commercial", Manager),
        ("Director General", CLevel),
        ("Vicepresidente", Vp),
        ("Dueña", Owner),
        ("Amministratore delegato", CLevel),
        ("Sócio", Partner),
        ("Eigenaar", Owner),
        ("Właściciel", Owner),
    ]);
}

#[test]
fn a_providers_words_are_read() {
    let rows = [
        ("C-level", Some(CLevel)),
        ("c_suite", Some(CLevel)),
        ("Co-Founder", Some(Founder)),
        ("owner", Some(Owner)),
        ("Vice President", Some(Vp)),
        ("V.P.", Some(Vp)),
        ("Head", Some(Head)),
        ("Director", Some(Director)),
        ("Partner", Some(Partner)),
        ("Manager", Some(Manager)),
        ("Lead", Some(Lead)),
        ("Senior", Some(Senior)),
        ("lower", Some(Other)),
        ("Entry level", Some(Other)),
        ("Grand Vizier", None),
        ("", None),
    ];
    for (text, expected) in rows {
        assert_eq!(Seniority::of_provider(text), expected, "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_title_panics(title in any::<String>()) {
        let _ = (Seniority::of_title(&title), Seniority::of_provider(&title));
    }

    #[test]
    fn a_rank_inside_a_longer_word_does_not_count(front in "[b-z]{1,5}", word in prop::sample::select(vec!["ceo", "cto", "vp", "head", "owner", "founder", "president"])) {
        prop_assert_eq!(Seniority::of_title(&format!("{word}{front}q engineer")), Other);
    }

    #[test]
    fn case_does_not_matter(title in "(CEO|Head|VP|Partner|of|Sales|Former|&|,| ){1,6}") {
        prop_assert_eq!(Seniority::of_title(&title), Seniority::of_title(&title.to_lowercase()));
    }
}
