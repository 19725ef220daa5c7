//! How many processes there are, and what that means for each.

use std::num::NonZeroUsize;

use tokio_postgres::Client;

use crate::fault::Fault;
use crate::look::HEARS;

/// So many groups keep a server and its disk busy. With one, a process, its server and the disk wait for each other:
/// on two processors three made 5,400 runs/s of 3,800, and four no more.
const GROUPS: usize = 3;

/// How many groups a process has on their way at once when there are so many. More than all need make each smaller, and
/// a small one costs nearly what a large one does.
pub(crate) fn share_of(processes: usize) -> NonZeroUsize {
    NonZeroUsize::new(GROUPS / processes.max(1)).unwrap_or(NonZeroUsize::MIN)
}

/// How many processes hear of each other; the one that asks is one of them.
pub(crate) async fn processes(client: &Client) -> Result<usize, Fault> {
    const SQL: &str = "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND right(application_name, length($1)) = $1";
    let count: i64 = client.query_one(SQL, &[&HEARS]).await?.try_get(0)?;
    Ok(usize::try_from(count).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::share_of;

    #[test]
    fn a_fleet_shares_the_groups_and_nobody_is_without() {
        let shares = [0, 1, 2, 3, 100].map(|processes| share_of(processes).get());
        assert_eq!(shares, [3, 3, 1, 1, 1]);
    }
}
