use lumina_enrichment::email::{
    AddressClass, ClassOverrides, Classifier, ClassifierError, EmailAddress, MAX_OVERRIDES,
};

use AddressClass::{Corporate, Disposable, Personal, Relay};

fn class_of(classifier: &Classifier, domain: &str) -> AddressClass {
    classifier.classify(&EmailAddress::parse(&format!("someone@{domain}")).unwrap())
}

#[test]
fn domains_have_their_class() {
    let personal = "gmail.com googlemail.com Gmail.COM yahoo.com yahoo.co.uk yahoo.com.br mail.yahoo.co.jp hotmail.com hotmail.fr \
        outlook.com outlook.de live.com live.nl live.co.uk msn.com gmx.de gmx.net gmx.at yandex.ru yandex.com.tr aol.com \
        aol.de proton.me protonmail.com pm.me tuta.io tutanota.com ymail.com rocketmail.com icloud.com me.com mac.com hey.com \
        fastmail.com fastmail.fm zoho.com mail.ru qq.com 163.com 126.com naver.com daum.net web.de t-online.de orange.fr free.fr \
        laposte.net libero.it wp.pl seznam.cz uol.com.br rediffmail.com comcast.net verizon.net btinternet.com bigpond.com \
        consultant.com dr.com";
    let relay =
        "privaterelay.appleid.com duck.com mozmail.com passmail.net simplelogin.com simplelogin.fr me.anonaddy.com";
    let disposable =
        "mailinator.com anything.mailinator.com yopmail.com guerrillamail.com 10minutemail.com temp-mail.org";
    let corporate = "example.com appleid.com stripe.com mycompany.co.uk live.events outlook.agency yahoo.github.io corp.mail.ru \
        notgmail.com gmail.com.evil.example students.gmail.com t-systems.com nothing.invalid";
    let classifier = Classifier::new();
    for (class, domains) in [
        (Personal, personal),
        (Relay, relay),
        (Disposable, disposable),
        (Corporate, corporate),
    ] {
        for domain in domains.split_whitespace() {
            assert_eq!(class_of(&classifier, domain), class, "{domain}");
        }
    }
}

#[test]
fn an_operator_adds_and_overrides() {
    let ours = ClassOverrides {
        personal: vec!["alumni.example.edu".into(), "@Vermieter.example".into()],
        corporate: vec!["gmx.de".into(), "*.example.edu".into()],
        relay: vec!["hidden.example".into()],
        disposable: vec!["MÜLL.example".into()],
    };
    let classifier = Classifier::with_overrides(&ours).unwrap();
    let rows = [
        ("alumni.example.edu", Personal),
        ("x.alumni.example.edu", Personal),
        ("staff.example.edu", Corporate),
        ("vermieter.example", Personal),
        ("gmx.de", Corporate),
        ("gmx.net", Personal),
        ("a.hidden.example", Relay),
        ("müll.example", Disposable),
        ("other.example", Corporate),
    ];
    for (domain, class) in rows {
        assert_eq!(class_of(&classifier, domain), class, "{domain}");
    }
}

#[test]
fn an_operators_mistakes_are_named() {
    let broken = ClassOverrides {
        relay: vec!["not a domain".into()],
        ..ClassOverrides::default()
    };
    let error = Classifier::with_overrides(&broken).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"not a domain\" in the lists of domains is no domain; write it like example.com"
    );
    let twice = ClassOverrides {
        personal: vec!["a.example".into()],
        corporate: vec!["A.example".into()],
        ..ClassOverrides::default()
    };
    let error = Classifier::with_overrides(&twice).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"A.example\" is listed as personal and as corporate; keep one of the two"
    );
    let many = ClassOverrides {
        relay: vec!["a.example".into(); MAX_OVERRIDES + 1],
        ..ClassOverrides::default()
    };
    assert_eq!(Classifier::with_overrides(&many).unwrap_err(), ClassifierError::TooMany);
}

#[test]
fn overrides_are_read_from_a_configuration() {
    let read: ClassOverrides = toml::from_str("personal = [\"a.example\"]").unwrap();
    assert_eq!(read.personal, ["a.example"]);
    assert!(toml::from_str::<ClassOverrides>("privat = []").is_err());
}

#[test]
fn the_stored_form_comes_back() {
    for class in AddressClass::ALL {
        assert_eq!(class.as_str().parse(), Ok(class));
        assert_eq!(class.is_looked_up(), class == Personal);
    }
    let error = "Personal".parse::<AddressClass>().unwrap_err();
    assert!(error.to_string().starts_with("\"Personal\" is no address class"));
}
