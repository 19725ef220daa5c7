//! Which transactions wait for the disk.

use rusqlite::Connection;

/// When a transaction is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// Before it is answered.
    Now,
    /// With the next one that is flushed: the log is written down from its beginning, so nothing that follows it can
    /// be durable without it. Right for what nobody outside can have seen when power fails: a claim that is forgotten
    /// then is made again, and all that its worker has written is forgotten with it.
    Later,
}

impl Flush {
    fn level(self) -> &'static str {
        match self {
            Self::Now => "FULL",
            Self::Later => "NORMAL",
        }
    }
}

/// How a connection flushes.
pub(crate) struct Flushing {
    set: Flush,
}

impl Flushing {
    /// Of a connection that was settled for writing.
    pub(crate) fn settled() -> Self {
        Self { set: Flush::Now }
    }

    /// From the next transaction on. When this fails none may begin.
    pub(crate) fn set(&mut self, conn: &Connection, flush: Flush) -> rusqlite::Result<()> {
        if self.set != flush {
            conn.pragma_update(None, "synchronous", flush.level())?;
            self.set = flush;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::Timestamp;
    use lumina_workflow::StoreClock;
    use lumina_workflow::WorkerId;
    use lumina_workflow::store::Claim;
    use uuid::Uuid;

    use crate::payloads::Payloads;
    use crate::shared::Shared;
    use crate::writer::Writer;
    use crate::{connect, migrate};

    /// Only a claim that is alone leaves its flush to the next transaction, whichever that is.
    #[test]
    fn a_claim_alone_is_not_flushed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lumina.db");
        let mut conn = connect::plain(&path).unwrap();
        connect::settle_writer(&conn).unwrap();
        migrate::engine(&mut conn, &path, 0).unwrap();
        let clock = StoreClock::from_fn(|| Timestamp::UNIX_EPOCH);
        let mut writer = Writer::new(conn, Arc::new(Shared::new(path, clock, Payloads::default())));
        let claim = Claim {
            worker: WorkerId(Uuid::from_u128(1)),
            lease: Duration::from_secs(1),
            limit: 1,
            definitions: Arc::new([]),
            flows: Arc::new([]),
            known_since: Timestamp::UNIX_EPOCH,
            takeover: false,
        };
        let (full, normal) = (2, 1);
        assert_eq!(writer.synchronous(), full);
        type Work = fn(&mut Writer, &Claim);
        let rest: [Work; 4] = [
            |writer, _| drop(writer.commit(&[])),
            |writer, claim| drop(writer.claim_and_commit(claim, &[])),
            |writer, _| drop(writer.renew(&[], Duration::from_secs(1))),
            |writer, _| drop(writer.migrate("app", &[])),
        ];
        for other in rest {
            writer.claim(&claim).unwrap();
            assert_eq!(writer.synchronous(), normal);
            other(&mut writer, &claim);
            assert_eq!(writer.synchronous(), full);
        }
    }
}
