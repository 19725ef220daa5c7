//! Bytes in whatever encoding to UTF-8, as a stream.

use std::io::{self, Read};

use encoding_rs::Decoder;

use super::encoding::TextEncoding;

/// How much is read and decoded at a time; also how much of a file is looked at before its shape is decided.
pub(super) const WINDOW_BYTES: usize = 64 * 1024;

/// Why no more text comes.
#[derive(Debug)]
pub(super) enum TextEnd {
    /// The file is larger than allowed.
    TooLarge,
    /// Reading failed.
    Failed(io::Error),
}

/// Where [`Records`](super::records::Records) read from.
pub(super) trait TextSource {
    /// Puts text into `out`, which has room for at least a few characters. Returns 0 only at the end.
    fn read_text(&mut self, out: &mut [u8]) -> Result<usize, TextEnd>;
}

impl TextSource for &[u8] {
    fn read_text(&mut self, out: &mut [u8]) -> Result<usize, TextEnd> {
        self.read(out).map_err(TextEnd::Failed)
    }
}

/// A file as UTF-8. Text that claims to be UTF-8 already passes unchanged and unchecked.
pub(super) struct TextStream<R> {
    bytes: CappedBytes<R>,
    decoding: Option<Decoding>,
}

struct Decoding {
    decoder: Decoder,
    raw: Box<[u8]>,
    /// The part of `raw` that was read and not yet decoded.
    pending: std::ops::Range<usize>,
    is_last: bool,
}

impl<R: Read> TextStream<R> {
    /// Continues `opening`, the bytes that were read already, with the rest of the file.
    pub(super) fn new(opening: Vec<u8>, rest: R, encoding: TextEncoding, max_bytes: u64) -> Self {
        let decoding = (!encoding.is_utf8()).then(|| Decoding {
            decoder: encoding.encoding.new_decoder_without_bom_handling(),
            raw: vec![0; WINDOW_BYTES].into(),
            pending: 0..0,
            is_last: false,
        });
        let bytes = CappedBytes {
            opening,
            given: 0,
            rest,
            left: max_bytes,
        };
        let mut stream = Self { bytes, decoding };
        stream.bytes.skip(encoding.mark_bytes);
        stream
    }
}

impl<R: Read> TextSource for TextStream<R> {
    fn read_text(&mut self, out: &mut [u8]) -> Result<usize, TextEnd> {
        match &mut self.decoding {
            None => self.bytes.read_some(out),
            Some(decoding) => decoding.read(&mut self.bytes, out),
        }
    }
}

impl Decoding {
    fn read<R: Read>(&mut self, bytes: &mut CappedBytes<R>, out: &mut [u8]) -> Result<usize, TextEnd> {
        loop {
            if self.pending.is_empty() && !self.is_last {
                let read = bytes.read_some(&mut self.raw)?;
                self.pending = 0..read;
                self.is_last = read == 0;
            }
            let input = &self.raw[self.pending.clone()];
            let (_, read, written, _) = self.decoder.decode_to_utf8(input, out, self.is_last);
            self.pending.start += read;
            if written > 0 || (self.is_last && self.pending.is_empty()) {
                return Ok(written);
            }
        }
    }
}

/// The opening, then the rest, up to a number of bytes.
struct CappedBytes<R> {
    opening: Vec<u8>,
    given: usize,
    rest: R,
    left: u64,
}

impl<R: Read> CappedBytes<R> {
    fn skip(&mut self, bytes: usize) {
        self.given += bytes.min(self.opening.len() - self.given);
    }

    fn read_some(&mut self, out: &mut [u8]) -> Result<usize, TextEnd> {
        let read = self.read_uncapped(out).map_err(TextEnd::Failed)?;
        let counted = u64::try_from(read).expect("a buffer's length fits into 64 bits");
        self.left = self.left.checked_sub(counted).ok_or(TextEnd::TooLarge)?;
        Ok(read)
    }

    fn read_uncapped(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given < self.opening.len() {
            let read = (&self.opening[self.given..]).read(out)?;
            self.given += read;
            return Ok(read);
        }
        read_patiently(&mut self.rest, out)
    }
}

/// Reads the first bytes of a file, and whether they are all of it.
pub(super) fn read_opening<R: Read>(source: &mut R) -> io::Result<(Vec<u8>, bool)> {
    let mut opening = vec![0; WINDOW_BYTES];
    let mut filled = 0;
    while filled < opening.len() {
        let read = read_patiently(source, &mut opening[filled..])?;
        if read == 0 {
            opening.truncate(filled);
            return Ok((opening, true));
        }
        filled += read;
    }
    Ok((opening, false))
}

/// Tries again when a signal interrupted the call.
fn read_patiently<R: Read>(source: &mut R, out: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(out) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
