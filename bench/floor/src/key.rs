//! Version 7 keys and the bytes around them, made from a seed so that two measurements write the same rows.

use std::time::Duration;

use uuid::{Builder, Uuid};

/// 2026-01-01T00:00:00Z in milliseconds: keys count up from here, by the time since the floor began.
const FIRST_MILLISECOND: u64 = 1_767_225_600_000;

/// A source of keys and bytes (SplitMix64, whose constants these are).
#[derive(Debug)]
pub(crate) struct Keys {
    state: u64,
}

impl Keys {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A UUIDv7 made `since` the floor began: ordered by millisecond, random within one.
    pub(crate) fn key(&mut self, since: Duration) -> Uuid {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.bits().to_le_bytes());
        random[8..].copy_from_slice(&self.bits().to_le_bytes()[..2]);
        let millis = FIRST_MILLISECOND + u64::try_from(since.as_millis()).expect("a measurement lasts minutes");
        Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// `length` bytes that no compression or page trick makes smaller.
    pub(crate) fn payload(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.bits().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

/// Milliseconds since the Unix epoch that stand for `since` the floor began.
pub(crate) fn milliseconds(since: Duration) -> i64 {
    let millis = FIRST_MILLISECOND + u64::try_from(since.as_millis()).expect("a measurement lasts minutes");
    i64::try_from(millis).expect("the year 292 million is far")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_version_7_distinct_and_ordered_by_time() {
        let mut keys = Keys::new(1);
        let made: Vec<_> = (0..1000).map(|ms| keys.key(Duration::from_millis(ms))).collect();
        assert!(made.iter().all(|key| key.get_version_num() == 7));
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_payload_has_the_length_asked_for_and_repeats_from_its_seed() {
        for length in [0, 1, 7, 8, 200] {
            assert_eq!(Keys::new(7).payload(length).len(), length);
            assert_eq!(Keys::new(7).payload(length), Keys::new(7).payload(length));
        }
    }
}
