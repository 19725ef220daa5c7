//! The database on a server: whether it can be reached, fits this program, and is worked with.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use lumina_workflow::Runtime;
use lumina_workflow_postgres::{MigrateError, OpenTransaction, PostgresStore, Server};
use secrecy::SecretString;

use super::super::composition;
use super::super::output::thousands;
use super::database::{Found, Looked, alone, check_people, nobody, refusal, schema, unreadable};
use super::report::Check;
use crate::config::Config;
use crate::database::{SCHEMA_OWNER, server_scripts};
use crate::records::Records;

/// How far apart two clocks may be. What must be exact goes by the server's; what is compared with its times, in logs
/// and by people, does not.
const APART: SignedDuration = SignedDuration::from_secs(2);

/// What the engine does takes milliseconds. A transaction that is open for longer than this is somebody else's, and
/// keeps what is deleted from being cleaned up.
const LONG: Duration = Duration::from_secs(300);

/// Of a hundred connections.
const MANY: u64 = 80;

/// What executes, as processes are called at the server.
const EXECUTORS: [&str; 3] = ["lumina serve", "lumina worker", "lumina demo"];

pub(super) async fn look(url: &SecretString, config: &Config, runtime: &Arc<dyn Runtime>) -> Looked {
    let options = match composition::server(config, url, "lumina doctor") {
        Ok(options) => options,
        Err(error) => return alone(unreadable(&format!("{error:#}"))),
    };
    match PostgresStore::look(options).await {
        Ok(store) => look_at(Arc::new(store), config, runtime).await,
        Err(error) => alone(unreadable(&error)),
    }
}

async fn look_at(store: Arc<PostgresStore>, config: &Config, runtime: &Arc<dyn Runtime>) -> Looked {
    let mut looked = match store.missing_scripts(SCHEMA_OWNER, &server_scripts()).await {
        Ok(missing) if missing.is_empty() => Looked::default(),
        Ok(missing) => Looked {
            checks: vec![Check::ok("database", store.name()), schema(&missing, "")],
            found: None,
        },
        Err(error) => alone(refusal(&error, matches!(error, MigrateError::Newer { .. }))),
    };
    let before = runtime.now();
    let server = store.server().await;
    let between = before + runtime.now().duration_since(before) / 2;
    let is_ours = looked.checks.is_empty();
    let executors = server.as_ref().map(executors).unwrap_or_default();
    if is_ours {
        looked = look_into(&store, config, runtime, !executors.is_empty()).await;
    }
    match server {
        Ok(server) => {
            let apart = server.now.duration_since(between);
            looked.checks.extend(check_server(&server, apart));
            looked.checks.push(check_executors(&executors));
        }
        Err(error) => looked.checks.push(Check::problem("server", error.to_string())),
    }
    looked
}

/// It is as this program makes it.
async fn look_into(
    store: &Arc<PostgresStore>,
    config: &Config,
    runtime: &Arc<dyn Runtime>,
    is_executed: bool,
) -> Looked {
    match find(store, config, runtime, is_executed).await {
        Ok((found, wanted)) => Looked {
            checks: vec![
                check_people(config, store.name(), store.name(), &found.checkup),
                schema(&[], &wanted),
            ],
            found: Some(found),
        },
        Err(error) => alone(unreadable(&error)),
    }
}

async fn find(
    store: &Arc<PostgresStore>,
    config: &Config,
    runtime: &Arc<dyn Runtime>,
    is_executed: bool,
) -> anyhow::Result<(Found, String)> {
    let settings = composition::settings(config);
    let view = settings.view(runtime.now());
    let records = Records::new(store.clone());
    let found = Found {
        checkup: records.check_up(view, settings.reconcile_window).await?,
        unrouted: store.unrouted().await?,
        blocked: store.blocked().await?,
        is_executed,
    };
    let mut last = Vec::new();
    for owner in ["workflow", SCHEMA_OWNER] {
        let script = store.last_script(owner).await?.unwrap_or_else(|| "none".to_owned());
        last.push(format!("{owner}/{script}"));
    }
    Ok((found, last.join(", ")))
}

fn check_server(server: &Server, apart: SignedDuration) -> [Check; 3] {
    [
        check_connections(server),
        check_clock(apart),
        check_longest(server.longest.as_ref()),
    ]
}

fn check_connections(server: &Server) -> Check {
    const NAME: &str = "server";
    let (used, most) = (server.connections, server.most_connections);
    let told = format!(
        "PostgreSQL {}, {} of {} connections are used",
        server.version,
        thousands(used),
        thousands(most)
    );
    match used * 100 >= most * MANY {
        true => Check::warning(NAME, told).next(
            "lumina config print",
            "database.connections: how many each process may have; or raise the server's max_connections",
        ),
        false => Check::ok(NAME, told),
    }
}

fn check_clock(apart: SignedDuration) -> Check {
    const NAME: &str = "server clock";
    if apart.abs() <= APART {
        return Check::ok(NAME, "the server's and this machine's agree");
    }
    let told = format!(
        "the server's is {:#} {} this machine's; leases and due times go by the server's",
        apart.abs(),
        if apart.is_negative() { "behind" } else { "ahead of" }
    );
    Check::warning(NAME, told).next(
        "timedatectl",
        "whether this machine sets its clock by the network; on the server too",
    )
}

fn check_longest(longest: Option<&OpenTransaction>) -> Check {
    const NAME: &str = "transactions";
    match longest.filter(|open| open.since > LONG) {
        None => Check::ok(NAME, "none is open for long"),
        Some(open) => Check::warning(
            NAME,
            format!(
                "one of `{}` has been open for {} min: what was deleted since cannot be cleaned up",
                open.of,
                open.since.as_secs() / 60
            ),
        )
        .next(
            format!("psql -c 'SELECT pg_terminate_backend({})'", open.pid),
            "ends it, if its program does not",
        ),
    }
}

/// Those who execute: how many processes of which name.
fn executors(server: &Server) -> Vec<String> {
    let all = server.processes.iter();
    let executing = all.filter(|(name, _)| EXECUTORS.contains(&name.as_str()));
    executing.map(|(name, count)| format!("{count} `{name}`")).collect()
}

fn check_executors(executors: &[String]) -> Check {
    match executors.is_empty() {
        true => nobody(),
        false => Check::ok("executor", format!("{} on it", executors.join(" and "))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::report::State;
    use super::*;

    fn server(connections: u64, processes: &[(&str, u64)]) -> Server {
        let named = |(name, count): &(&str, u64)| ((*name).to_owned(), *count);
        Server {
            version: "17.2".to_owned(),
            now: jiff::Timestamp::UNIX_EPOCH,
            connections,
            most_connections: 100,
            longest: None,
            processes: processes.iter().map(named).collect::<BTreeMap<_, _>>(),
        }
    }

    #[track_caller]
    fn assert_found(check: &Check, state: State, found: &str) {
        assert_eq!(
            (check.state, check.next.is_some()),
            (state, state != State::Ok),
            "{check:?}"
        );
        assert!(check.found.contains(found), "{check:?}");
    }

    #[test]
    fn a_server_that_is_nearly_full_is_said() {
        let told = "PostgreSQL 17.2, 79 of 100 connections are used";
        assert_found(&check_connections(&server(79, &[])), State::Ok, told);
        assert_found(&check_connections(&server(80, &[])), State::Warning, "80 of 100");
    }

    #[test]
    fn clocks_that_are_apart_are_said() {
        let apart = |millis| check_clock(SignedDuration::from_millis(millis));
        assert_found(&apart(-2_000), State::Ok, "agree");
        assert_found(
            &apart(3_000),
            State::Warning,
            "the server's is 3s ahead of this machine's",
        );
        assert_found(
            &apart(-61_000),
            State::Warning,
            "the server's is 1m 1s behind this machine's",
        );
    }

    #[test]
    fn a_transaction_that_is_open_for_long_is_said() {
        let open = |since| OpenTransaction {
            pid: 7,
            of: "psql".to_owned(),
            since,
        };
        assert_found(&check_longest(None), State::Ok, "none");
        assert_found(&check_longest(Some(&open(LONG))), State::Ok, "none");
        let long = check_longest(Some(&open(3 * LONG)));
        assert_found(&long, State::Warning, "one of `psql` has been open for 15 min");
        assert!(
            long.next
                .is_some_and(|next| next.command.contains("pg_terminate_backend(7)"))
        );
    }

    #[test]
    fn those_who_execute_are_told_from_those_who_ask() {
        let all = server(
            1,
            &[("lumina", 3), ("lumina serve", 1), ("lumina worker", 2), ("psql", 1)],
        );
        let executing = check_executors(&executors(&all));
        assert_found(&executing, State::Ok, "1 `lumina serve` and 2 `lumina worker` on it");
        assert_found(
            &check_executors(&executors(&server(1, &[("lumina", 1)]))),
            State::Warning,
            "nobody",
        );
    }
}
