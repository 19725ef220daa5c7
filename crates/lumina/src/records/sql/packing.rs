//! How an answer's body lies in its row: deflated.

use std::io::Read;
use std::sync::{Mutex, PoisonError};

use flate2::read::DeflateDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};

/// No stored body unpacks to more: the provider's callbacks are refused above that size.
const UNPACKED_LIMIT: u64 = 33 * 1024 * 1024;

/// Compressors that are kept for the next body. Each has some 300 KiB of tables, which take longer to be made than most
/// bodies to be packed.
const KEPT: usize = 4;

static PACKERS: Mutex<Vec<Compress>> = Mutex::new(Vec::new());

pub(super) fn pack(body: &[u8]) -> Vec<u8> {
    let spare = PACKERS.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut packer = spare.unwrap_or_else(|| Compress::new(Compression::fast(), false));
    let packed = pack_with(&mut packer, body);
    packer.reset();
    let mut kept = PACKERS.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < KEPT {
        kept.push(packer);
    }
    packed
}

fn pack_with(packer: &mut Compress, body: &[u8]) -> Vec<u8> {
    // JSON shrinks to a quarter at least.
    let mut packed = Vec::with_capacity(body.len() / 4 + 64);
    loop {
        let read = usize::try_from(packer.total_in()).expect("it is at most the body's length");
        let status = packer.compress_vec(&body[read..], &mut packed, FlushCompress::Finish);
        match status.expect("a compressor that was reset takes what comes") {
            Status::StreamEnd => return packed,
            Status::Ok | Status::BufError => packed.reserve(packed.capacity()),
        }
    }
}

pub(super) fn unpack(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(packed.len() * 4);
    DeflateDecoder::new(packed)
        .take(UNPACKED_LIMIT)
        .read_to_end(&mut body)?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked_as_it_was() {
        let noise = |length: u32| (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8);
        for length in [0, 1, 100, 5_000, 300_000] {
            let text = br#"{"full_name":"Sarah Dev"},"#.repeat(length / 20);
            for body in [text, noise(length as u32).collect(), vec![0; length]] {
                assert_eq!(unpack(&pack(&body)).unwrap(), body, "{length}");
            }
        }
        let kept = PACKERS.lock().unwrap().len();
        assert!((1..=KEPT).contains(&kept), "{kept}");
    }
}
