use std::collections::HashSet;
use std::sync::LazyLock;

use super::address::lower;
use super::domains::entries;

static ROLES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| entries(include_str!("../../data/roles.txt")).collect());

pub(super) fn is_role(local: &str) -> bool {
    let base = local.split_once('+').map_or(local, |(base, _)| base);
    let base = lower(base);
    if ROLES.contains(&*base) {
        return true;
    }
    // Roles are words without digits: most names of people end here.
    let is_word_byte = |b: u8| b.is_ascii_lowercase() || is_joint(b);
    base.bytes().any(is_joint) && base.bytes().all(is_word_byte) && is_compound_role(&base)
}

fn is_joint(byte: u8) -> bool {
    matches!(byte, b'.' | b'-' | b'_')
}

/// `no-reply` and `customer.service`. Single letters are initials, not parts of a word: `h.r` is a person.
fn is_compound_role(base: &str) -> bool {
    let parts = || base.split(['.', '-', '_']);
    parts().all(|part| part.len() > 1) && ROLES.contains(parts().collect::<String>().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_are_told_from_people() {
        let rows = [
            ("info", true),
            ("INFO", true),
            ("hello+news", true),
            ("no-reply", true),
            ("no_reply", true),
            ("do.not.reply", true),
            ("customer.service", true),
            ("support", true),
            ("sarah.dev", false),
            ("h.r", false),
            ("informer", false),
            ("salesman", false),
            ("-", false),
            ("+info", false),
        ];
        for (local, expected) in rows {
            assert_eq!(is_role(local), expected, "{local}");
        }
    }

    #[test]
    fn the_list_is_written_as_it_is_compared() {
        let all: Vec<&str> = entries(include_str!("../../data/roles.txt")).collect();
        assert!(all.is_sorted_by(|a, b| a < b));
        assert!(all.iter().all(|role| role.bytes().all(|b| b.is_ascii_lowercase())));
    }
}
