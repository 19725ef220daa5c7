//! PostgreSQL servers that cannot be worked with.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use lumina_workflow_postgres::testing::Database;

use crate::support::{Place, free_address};

const PASSWORD: &str = "nobody-may-see-this";

fn url(at: SocketAddr) -> String {
    format!("postgres://ann:{PASSWORD}@{at}/lumina")
}

/// Every kind of command says it in one sentence, without the password.
#[track_caller]
fn assert_refused(url: &str, told: &[&str]) {
    let mut place = Place::for_provider(([127, 0, 0, 1], 9).into());
    place.set_variable("DATABASE_URL", url);
    place.write_people("people.csv", 0..3);
    for command in [
        &["serve"][..],
        &["worker"],
        &["leads"],
        &["import", "people.csv", "--yes"],
        &["enrich", "--dry-run"],
        &["migrate"],
    ] {
        let finished = place.run(command);
        told.iter().for_each(|told| finished.assert_failed(told));
        assert!(!finished.err.contains(PASSWORD), "{finished:?}");
    }
    let doctor = place.run(&["doctor", "--json"]);
    assert_eq!(doctor.code, Some(1));
    for told in told {
        assert!(doctor.out.contains(told), "{doctor:?}");
    }
    assert!(!doctor.out.contains(PASSWORD), "{doctor:?}");
}

#[test]
fn a_server_that_is_not_there() {
    let at = free_address();
    let told = format!("lumina at {at} cannot be used");
    assert_refused(
        &url(at),
        &[&told, "start the server, or correct host and port in its address"],
    );
}

#[test]
fn a_database_that_is_not_there() {
    let database = Database::fresh();
    let url = database.url().replacen("lumina_test_", "lumina_never_made_", 1);
    assert_refused(
        &url,
        &[
            "does not exist",
            "make it (`createdb`), or correct its name in the address",
        ],
    );
}

/// The tests' own server lets everybody in.
#[test]
fn a_password_that_is_wrong() {
    let at = refuse_everybody();
    let told = [
        "password authentication failed",
        "correct the user and the password in its address",
    ];
    assert_refused(&url(at), &told);
}

/// A server that refuses whoever greets it, as PostgreSQL does.
fn refuse_everybody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut line in listener.incoming().flatten() {
            let mut length = [0; 4];
            line.read_exact(&mut length).unwrap();
            let mut greeting = vec![0; u32::from_be_bytes(length) as usize - 4];
            line.read_exact(&mut greeting).unwrap();
            let said = b"SFATAL\0C28P01\0Mpassword authentication failed for user \"ann\"\0\0";
            line.write_all(b"E").unwrap();
            line.write_all(&(said.len() as u32 + 4).to_be_bytes()).unwrap();
            line.write_all(said).unwrap();
        }
    });
    address
}

#[test]
fn a_schema_of_another_program() {
    let database = Database::fresh();
    database.execute("CREATE SCHEMA lumina; CREATE TABLE lumina.recipes (name text)");
    assert_refused(
        &database.url(),
        &["belongs to some other program (it has `recipes`); name another database"],
    );
}

#[test]
fn an_address_that_is_none() {
    let place = Place::bare();
    for (url, told) in [
        ("postgres://ann@host:many/lumina", "postgres://user@host:5432/name"),
        ("postgres://host/lumina?no_such_word=1", "no_such_word"),
    ] {
        place.run(&["leads", "--database-url", url]).assert_failed(told);
    }
}
