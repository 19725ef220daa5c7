//! Who has left the list, or never could be reached: the columns by which exports tell it.

use super::header::normalise;

/// How a column says that somebody is to be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StandingRule {
    /// A word for the standing, such as `unsubscribed`.
    Word,
    /// Left out when something stands in it other than no: a moment (`unsubscribed_at`) or a yes (`blacklisted`).
    LeftWhenSet,
    /// Left out when it says no (`subscribed_to_emails`).
    LeftWhenNo,
}

impl StandingRule {
    /// The rule of a column by its normalised name.
    pub(super) fn of_column(name: &str) -> Option<Self> {
        match name {
            "status"
            | "emailstatus"
            | "subscriberstatus"
            | "subscriptionstatus"
            | "memberstatus"
            | "contactstatus"
            | "mailingstatus"
            | "marketingstatus"
            | "emailmarketingstatus"
            | "emailsubscriptionstatus"
            | "newsletterstatus"
            | "statut"
            | "estado"
            | "stato"
            | "stav" => Some(Self::Word),
            "unsubscribedat"
            | "unsubscribedate"
            | "unsubscribeddate"
            | "unsubscribetime"
            | "unsubtime"
            | "unsubdate"
            | "unsubreason"
            | "unsubscribereason"
            | "unsubcampaigntitle"
            | "unsubcampaignid"
            | "dateunsubscribed"
            | "unsubscribedon"
            | "unsubscribed"
            | "isunsubscribed"
            | "unsubscribedfromallemail"
            | "unsubscribedfromallemails"
            | "optoutat"
            | "optouttime"
            | "optoutdate"
            | "optedoutat"
            | "optedout"
            | "optout"
            | "emailoptout"
            | "emailoptedout"
            | "hasoptedoutofemail"
            | "donotemail"
            | "donotcontact"
            | "bouncedat"
            | "bouncedate"
            | "bouncetime"
            | "hardbouncedat"
            | "bounced"
            | "isbounced"
            | "hardbounced"
            | "emailbounced"
            | "emailhardbounced"
            | "cleantime"
            | "cleanedat"
            | "cleaned"
            | "complainedat"
            | "complaintdate"
            | "complained"
            | "markedasspam"
            | "suppressedat"
            | "suppressed"
            | "blacklistedat"
            | "emailblacklisted"
            | "blacklisted"
            | "blocklisted"
            | "emailblocklisted"
            | "emaildisabled"
            | "deletedat"
            | "deleteddate"
            | "deleted"
            | "isdeleted"
            | "datedeleted" => Some(Self::LeftWhenSet),
            "subscribed"
            | "issubscribed"
            | "subscribedtoemails"
            | "subscribedtoemail"
            | "emailsubscribed"
            | "acceptsmarketing"
            | "acceptsemailmarketing"
            | "emailoptin"
            | "optin"
            | "optedin"
            | "receivesnewsletter" => Some(Self::LeftWhenNo),
            _ => None,
        }
    }

    /// Whether a cell of such a column says that its person is to be left out.
    pub(super) fn leaves_out(self, cell: &str) -> bool {
        match self {
            Self::Word => is_word_for_gone(&normalise(cell)),
            Self::LeftWhenSet => !is_unset(cell),
            Self::LeftWhenNo => is_no(&normalise(cell)),
        }
    }
}

fn is_word_for_gone(word: &str) -> bool {
    matches!(
        word,
        "unsubscribed"
            | "unsubscribe"
            | "unsub"
            | "nonsubscribed"
            | "notsubscribed"
            | "optedout"
            | "optout"
            | "bounced"
            | "bounce"
            | "hardbounce"
            | "hardbounced"
            | "softbounced"
            | "cleaned"
            | "undeliverable"
            | "invalid"
            | "invalidemail"
            | "complained"
            | "complaint"
            | "complainer"
            | "spam"
            | "spamcomplaint"
            | "reportedspam"
            | "markedasspam"
            | "junk"
            | "suppressed"
            | "blocked"
            | "blocklisted"
            | "blacklisted"
            | "cancelled"
            | "canceled"
            | "inactive"
            | "deleted"
            | "removed"
            | "disabled"
            | "banned"
            | "erased"
            | "désabonné"
            | "desabonne"
            | "désinscrit"
            | "desinscrit"
            | "abgemeldet"
            | "ausgetragen"
            | "inaktiv"
            | "baja"
            | "cancelado"
            | "desuscrito"
            | "disiscritto"
            | "uitgeschreven"
            | "avregistrerad"
    )
}

/// Nothing, one of the ways to write nothing, a no, or a moment of zeros.
fn is_unset(cell: &str) -> bool {
    let cell = cell.trim();
    let is_zero_moment = || {
        cell.chars()
            .all(|c| matches!(c, '0' | '-' | '/' | ':' | '.' | ' ' | 'T' | 'Z' | '+'))
    };
    cell.is_empty() || is_zero_moment() || is_no(&normalise(cell))
}

fn is_no(word: &str) -> bool {
    matches!(
        word,
        "0" | "false"
            | "f"
            | "no"
            | "n"
            | "off"
            | "non"
            | "nein"
            | "nee"
            | "nej"
            | "não"
            | "nao"
            | "falsch"
            | "faux"
            | "never"
            | "null"
            | "nil"
            | "none"
            | "na"
            | "undefined"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_columns_tell_who_has_left() {
        let rows = [
            ("status", "active", false),
            ("status", "subscribed", false),
            ("status", "Unsubscribed", true),
            ("Status", "BOUNCED", true),
            ("status", "cleaned", true),
            ("status", "inactive", true),
            ("status", "", false),
            ("email_status", "hard bounce", true),
            ("unsubscribed_at", "", false),
            ("unsubscribed_at", "2024-05-01 10:00:00", true),
            ("unsubscribed_at", "0000-00-00 00:00:00", false),
            ("unsubscribed_at", "NULL", false),
            ("UNSUB_TIME", "2024-05-01", true),
            ("EMAIL_BLACKLISTED", "1", true),
            ("EMAIL_BLACKLISTED", "0", false),
            ("EMAIL_BLACKLISTED", "Yes", true),
            ("email_disabled", "true", true),
            ("email_disabled", "false", false),
            ("deleted_at", "2024-05-01T00:00:00Z", true),
            ("deleted_at", "-", false),
            ("deleted_at", "n/a", false),
            ("subscribed_to_emails", "false", true),
            ("subscribed_to_emails", "true", false),
            ("subscribed_to_emails", "", false),
        ];
        for (column, cell, expected) in rows {
            let rule = StandingRule::of_column(&normalise(column)).expect(column);
            assert_eq!(rule.leaves_out(cell), expected, "{column}: {cell:?}");
        }
        for column in ["email", "Cancel date", "created_at", "state", "order status"] {
            assert_eq!(StandingRule::of_column(&normalise(column)), None, "{column}");
        }
    }
}
