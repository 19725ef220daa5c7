//! The API's token: made once, kept in a file that only its owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::config::is_open_to_others;

/// Fewer characters can be guessed; a made token has 64. A person may put one of their own into the file.
const MIN_CHARS: usize = 32;

/// More characters do not fit a header comfortably, and are hardly a token.
const MAX_CHARS: usize = 512;

/// What a client must show as `Authorization: Bearer <token>`.
#[derive(Debug, Clone)]
pub struct Token(SecretString);

impl Token {
    /// Whether this is the token, in a time that does not depend on where the two differ.
    #[must_use]
    pub fn matches(&self, presented: &str) -> bool {
        self.expose().as_bytes().ct_eq(presented.as_bytes()).into()
    }

    /// The token itself, for the header of a request.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    fn make(random: [u8; 32]) -> Self {
        Self(SecretString::from(hex::encode(random)))
    }

    fn parse(text: &str) -> Option<Self> {
        let token = text.trim();
        let is_sound = (MIN_CHARS..=MAX_CHARS).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
        is_sound.then(|| Self(SecretString::from(token)))
    }
}

/// A token that cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// There is no file yet.
    #[error("there is no token in {}: start `lumina serve` once, or name the file with server.token_file", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("the token in {} cannot be read: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The file cannot be made.
    #[error(
        "the token cannot be written to {}: {cause}; make the folder writable, or name another file with \
         server.token_file", path.display()
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Others can read the file, so that the token may be known.
    #[error(
        "others on this machine can read the token in {path}: run `chmod 600 {path}`, and delete the file before that \
         if somebody may have read it, so that a new one is made", path = path.display()
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no token.
    #[error(
        "{} holds no token ({MIN_CHARS} to {MAX_CHARS} visible characters): delete it, and the next start makes a new one",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

/// Reads the token.
///
/// # Errors
/// [`TokenError`] when there is none, or it may not be believed.
pub fn load(path: &Path) -> Result<Token, TokenError> {
    let failed = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound => TokenError::Missing { path: path.to_owned() },
        _ => TokenError::Unreadable {
            path: path.to_owned(),
            cause,
        },
    };
    let file = File::open(path).map_err(failed)?;
    // Asked of the opened file, so that it cannot be another one by then.
    if is_open_to_others(&file.metadata().map_err(failed)?) {
        return Err(TokenError::OpenToOthers { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    file.take(2 * MAX_CHARS as u64)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let token = String::from_utf8(bytes).ok().and_then(|text| Token::parse(&text));
    token.ok_or_else(|| TokenError::Malformed { path: path.to_owned() })
}

/// Reads the token, or makes it of 32 random bytes if there is no file; says whether it was made.
///
/// The file appears complete or not at all, and of two processes that make it at the same time both get the same one.
///
/// # Errors
/// [`TokenError`] when a file that is there may not be believed, or none can be made.
pub fn load_or_create(path: &Path, random: &dyn Fn() -> [u8; 32]) -> Result<(Token, bool), TokenError> {
    match load(path) {
        Err(TokenError::Missing { .. }) => {}
        found => return found.map(|token| (token, false)),
    }
    let token = Token::make(random());
    let draft = draft_beside(path, random());
    let published = write_draft(&draft, &token).and_then(|()| fs::hard_link(&draft, path));
    // It is of no use any more, whatever happened.
    let _ = fs::remove_file(&draft);
    match published {
        Ok(()) => Ok((token, true)),
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && path.exists() => {
            load(path).map(|token| (token, false))
        }
        Err(cause) => Err(TokenError::Unwritable {
            path: path.to_owned(),
            cause,
        }),
    }
}

fn draft_beside(path: &Path, random: [u8; 32]) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", hex::encode(&random[..8])));
    PathBuf::from(name)
}

fn write_draft(draft: &Path, token: &Token) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft)?;
    writeln!(file, "{}", token.expose())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeSet;
    use std::sync::Barrier;

    use super::*;

    /// Other bytes at each call.
    fn counting(first: u8) -> impl Fn() -> [u8; 32] {
        let next = Cell::new(first);
        move || {
            next.set(next.get() + 1);
            [next.get(); 32]
        }
    }

    fn names_in(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn write(path: &Path, text: &[u8], mode: u32) {
        fs::write(path, text).unwrap();
        #[cfg(unix)]
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }

    #[test]
    fn it_is_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lumina.db.token");
        assert!(matches!(load(&path), Err(TokenError::Missing { .. })));
        let (made, created) = load_or_create(&path, &counting(0)).unwrap();
        assert!(created);
        assert_eq!(made.expose(), "01".repeat(32));
        let (found, created) = load_or_create(&path, &counting(100)).unwrap();
        assert!(!created);
        assert_eq!(found.expose(), made.expose());
        assert_eq!(names_in(folder.path()), ["lumina.db.token"], "the draft is gone");
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        load_or_create(&path, &counting(0)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o644, 0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = load_or_create(&path, &counting(0)).unwrap_err();
            assert!(matches!(error, TokenError::OpenToOthers { .. }), "{mode:o}: {error}");
            assert!(
                error.to_string().contains(&format!("chmod 600 {}", path.display())),
                "{error}"
            );
        }
    }

    #[test]
    fn it_matches_itself_alone() {
        let token = Token::make([7; 32]);
        let itself = "07".repeat(32);
        let rows = [
            (itself.clone(), true),
            (itself.to_uppercase().replace("07", "08"), false),
            (itself[..63].to_owned(), false),
            (format!("{itself} "), false),
            (String::new(), false),
        ];
        for (presented, expected) in rows {
            assert_eq!(token.matches(&presented), expected, "{presented:?}");
        }
    }

    #[test]
    fn it_is_never_shown() {
        let token = Token::make([7; 32]);
        assert!(!format!("{token:?} {token:#?}").contains("0707"));
    }

    #[test]
    fn files_are_read_as_people_write_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let own = "a-token-of-my-own-that-is-long-enough";
        let rows: [(Vec<u8>, Option<&str>); 7] = [
            (format!("  {own}\r\n").into(), Some(own)),
            (own.into(), Some(own)),
            (Vec::new(), None),
            (b"short".to_vec(), None),
            (b"two words in a file are not a token at all".to_vec(), None),
            (vec![b'x'; 513], None),
            (vec![0xff; 64], None),
        ];
        for (bytes, expected) in rows {
            write(&path, &bytes, 0o600);
            match (load_or_create(&path, &counting(0)), expected) {
                (Ok((token, false)), Some(expected)) => assert_eq!(token.expose(), expected),
                (Err(TokenError::Malformed { .. }), None) => {}
                (other, _) => panic!("{:?}: {other:?}", String::from_utf8_lossy(&bytes)),
            }
            assert_eq!(fs::read(&path).unwrap(), bytes, "what is there is never overwritten");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("token");
        let error = load_or_create(&path, &counting(0)).unwrap_err();
        assert!(matches!(error, TokenError::Unwritable { .. }), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }

    #[test]
    fn all_who_start_at_once_get_the_same_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let start = Barrier::new(8);
        let (path, start) = (&path, &start);
        let run = |number: u8| {
            move || {
                let random = counting(number * 10);
                start.wait();
                let (token, created) = load_or_create(path, &random).unwrap();
                (token.expose().to_owned(), created)
            }
        };
        let all: Vec<(String, bool)> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|number| scope.spawn(run(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(
            all.iter().map(|(token, _)| token).collect::<BTreeSet<_>>().len(),
            1,
            "{all:?}"
        );
        assert_eq!(all.iter().filter(|(_, created)| *created).count(), 1, "{all:?}");
        assert_eq!(names_in(folder.path()), ["token"]);
    }
}
