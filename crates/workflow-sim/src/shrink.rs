//! The fewest faults with which a seed still fails.

use std::collections::BTreeSet;

/// Delta debugging: parts of the set, and then what is left without them, as long as it still
/// fails, until no fault can be left out alone.
pub fn shrink(faults: &[u32], fails: impl Fn(&BTreeSet<u32>) -> bool) -> BTreeSet<u32> {
    let mut kept: Vec<u32> = faults.to_vec();
    let mut parts = 2;
    if fails(&BTreeSet::new()) {
        return BTreeSet::new();
    }
    while kept.len() > 1 {
        match smaller(&kept, parts, &fails) {
            Some(smaller) => {
                kept = smaller;
                parts = 2;
            }
            None if parts >= kept.len() => break,
            None => parts = (parts * 2).min(kept.len()),
        }
    }
    kept.into_iter().collect()
}

fn smaller(kept: &[u32], parts: usize, fails: &impl Fn(&BTreeSet<u32>) -> bool) -> Option<Vec<u32>> {
    let size = kept.len().div_ceil(parts);
    let still = |faults: &Vec<u32>| fails(&faults.iter().copied().collect());
    let alone = kept.chunks(size).map(<[u32]>::to_vec).find(&still);
    alone.or_else(|| {
        let starts = (0..kept.len()).step_by(size);
        let without = |start: usize| [&kept[..start], &kept[(start + size).min(kept.len())..]].concat();
        starts.map(without).find(&still)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_it_takes_is_kept() {
        let faults: Vec<u32> = (1..60).collect();
        let fails = |faults: &BTreeSet<u32>| faults.contains(&7) && faults.contains(&41);
        assert_eq!(shrink(&faults, fails), BTreeSet::from([7, 41]));
        assert_eq!(shrink(&faults, |faults| faults.contains(&3)), BTreeSet::from([3]));
        assert_eq!(shrink(&faults, |_| true), BTreeSet::new());
    }
}
