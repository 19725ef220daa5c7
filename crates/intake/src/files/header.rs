//! What the columns of exports are called.

use unicode_normalization::UnicodeNormalization;

use super::standing::StandingRule;

/// What a column is for, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Called what columns of addresses are called.
    Email,
    /// Has a word for an address in its name.
    PerhapsEmail,
    FullName,
    FirstName,
    LastName,
    Source,
    Standing(StandingRule),
}

/// A name as it is compared: compatibility forms unified, lower case, letters and digits only. `E-Mail-Adresse`,
/// `E_MAIL adresse` and `e.mail.adresse` are all `emailadresse`.
pub(super) fn normalise(name: &str) -> String {
    // Standings are compared in every row, and are ASCII nearly always.
    if name.is_ascii() {
        return name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
    }
    name.nfkc()
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_alphanumeric())
        .collect()
}

pub(super) fn role_of(name: &str) -> Option<Role> {
    let name = normalise(name);
    // The standing goes first: `email_disabled` has a word for an address in it.
    StandingRule::of_column(&name)
        .map(Role::Standing)
        .or_else(|| exact(&name))
        .or_else(|| is_perhaps_email(&name).then_some(Role::PerhapsEmail))
}

fn exact(name: &str) -> Option<Role> {
    let role = match name {
        "email"
        | "emails"
        | "mail"
        | "emailaddress"
        | "emailaddresses"
        | "mailaddress"
        | "subscriberemail"
        | "useremail"
        | "useremailaddress"
        | "contactemail"
        | "customeremail"
        | "memberemail"
        | "primaryemail"
        | "emailprimary"
        | "emailid"
        | "adresseemail"
        | "adressemail"
        | "courriel"
        | "adressecourriel"
        | "adresseélectronique"
        | "correoelectrónico"
        | "correoelectronico"
        | "correo"
        | "emailadresse"
        | "mailadresse"
        | "emailaddresse"
        | "emailadres"
        | "epost"
        | "epostadress"
        | "epostadresse"
        | "eposta"
        | "sähköposti"
        | "indirizzoemail"
        | "endereçodeemail"
        | "enderecodeemail"
        | "adresemail"
        | "электроннаяпочта"
        | "почта"
        | "メールアドレス"
        | "电子邮件"
        | "電子郵件"
        | "邮箱"
        | "이메일" => Role::Email,
        "name" | "fullname" | "yourname" | "subscribername" | "username" | "contactname" | "customername"
        | "membername" | "displayname" | "nomcomplet" | "nombrecompleto" | "nomecompleto" | "vollständigername"
        | "naam" | "имя" | "氏名" | "姓名" => Role::FullName,
        "firstname" | "fname" | "first" | "givenname" | "forename" | "vorname" | "prénom" | "prenom" | "nombre"
        | "nome" | "voornaam" | "förnamn" | "fornavn" | "imię" => Role::FirstName,
        "lastname" | "lname" | "last" | "surname" | "familyname" | "nachname" | "nom" | "nomdefamille" | "apellido"
        | "apellidos" | "cognome" | "sobrenome" | "achternaam" | "efternamn" | "etternavn" | "nazwisko" => {
            Role::LastName
        }
        "source" | "utmsource" | "signupsource" | "subscribersource" | "subscriptionsource" | "leadsource"
        | "acquisitionsource" | "quelle" => Role::Source,
        _ => return None,
    };
    Some(role)
}

/// Names that mention addresses without holding one: settings, counts and moments.
fn is_perhaps_email(name: &str) -> bool {
    let mentions = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let about = [
        "status",
        "opt",
        "verified",
        "verify",
        "consent",
        "count",
        "date",
        "time",
        "domain",
        "type",
        "blacklist",
        "disabled",
        "subscri",
        "sent",
        "open",
        "click",
        "hash",
        "bounce",
        "valid",
        "list",
        "received",
        "marketing",
        "client",
        "provider",
        "delivered",
        "frequency",
    ];
    mentions(&["email", "courriel", "mailad", "correoelectr"])
        && (name.contains("subscriberemail") || !mentions(&about))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_the_wild_are_known() {
        let addresses = [
            "email",
            "Email",
            "Email Address",
            "EMAIL",
            "E-mail",
            "Subscriber Email",
            "user_email_address",
            "Adresse e-mail",
            "Courriel",
            "Correo electrónico",
            "E-Mail-Adresse",
            "Ｅｍａｉｌ",
            " e.mail ",
            "\u{feff}Email",
            "Correo electro\u{301}nico",
            "E-Mail *",
        ];
        for name in addresses {
            assert_eq!(role_of(name), Some(Role::Email), "{name}");
        }
        let rows = [
            ("E-mail 1 - Value", Some(Role::PerhapsEmail)),
            ("Work email", Some(Role::PerhapsEmail)),
            ("First Name", Some(Role::FirstName)),
            ("first_name", Some(Role::FirstName)),
            ("FIRSTNAME", Some(Role::FirstName)),
            ("Prénom", Some(Role::FirstName)),
            ("LNAME", Some(Role::LastName)),
            ("Name", Some(Role::FullName)),
            ("utm_source", Some(Role::Source)),
            ("last_email_sent", None),
            ("email_count", None),
            ("created_at", None),
            ("Stripe plan", None),
            ("", None),
        ];
        for (name, expected) in rows {
            assert_eq!(role_of(name), expected, "{name}");
        }
    }
}
