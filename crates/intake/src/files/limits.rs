/// How much of a file is read: limits on everything that a stranger can make grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimits {
    /// Bytes in all, as stored. 200 MiB by default: the largest upload, and far more than the largest lists need.
    pub bytes: u64,
    /// Data rows. 5,000,000 by default: five times what a spreadsheet can hold.
    pub rows: u64,
    /// Cells in a row. 1,024 by default: platforms export one column for each custom field, some dozens in all.
    pub columns: usize,
    /// Bytes in a row. 256 KiB by default: a row with a long note in it, many times over. It is also how far an
    /// unclosed quote is followed.
    pub row_bytes: usize,
    /// Bytes in a cell. 64 KiB by default: twice what a spreadsheet's cell can hold.
    pub cell_bytes: usize,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self {
            bytes: 200 * 1024 * 1024,
            rows: 5_000_000,
            columns: 1_024,
            row_bytes: 256 * 1024,
            cell_bytes: 64 * 1024,
        }
    }
}

impl FileLimits {
    /// The smallest row and cell that are useful: below it not even an address fits.
    const LEAST_BYTES: usize = 1024;

    /// The same limits with what cannot work put right: at least one column, and room for an address.
    pub(super) fn usable(self) -> Self {
        Self {
            columns: self.columns.max(1),
            row_bytes: self.row_bytes.max(Self::LEAST_BYTES),
            cell_bytes: self.cell_bytes.max(Self::LEAST_BYTES),
            ..self
        }
    }
}
