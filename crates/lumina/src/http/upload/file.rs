//! An upload on disk: streamed there, read from there, and deleted.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::http::error::ApiError;

/// Where uploads lie while they are read. Nobody else can look into it: they are full of addresses.
pub(in crate::http) struct UploadFolder {
    path: PathBuf,
}

impl UploadFolder {
    /// Deletes what a process that died has left there. The folder itself is made when it is needed.
    pub fn open(path: PathBuf) -> Self {
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(folder = %path.display(), %error, "former uploads could not be deleted; delete them by hand");
            }
            _ => {}
        }
        Self { path }
    }

    /// A new, empty file.
    pub(super) async fn create(&self, id: Uuid) -> Result<UploadedFile, ApiError> {
        let path = self.path.join(format!("{id}.upload"));
        let file = self.make(&path).await.map_err(|error| unwritable(&path, &error))?;
        Ok(UploadedFile {
            guard: Guard(path),
            file,
            bytes: 0,
        })
    }

    async fn make(&self, path: &Path) -> io::Result<File> {
        let mut folder = tokio::fs::DirBuilder::new();
        let mut file = OpenOptions::new();
        file.write(true).create_new(true);
        #[cfg(unix)]
        {
            folder.mode(0o700);
            file.mode(0o600);
        }
        folder.recursive(true).create(&self.path).await?;
        file.open(path).await
    }
}

/// A file that is being uploaded.
pub(super) struct UploadedFile {
    guard: Guard,
    file: File,
    bytes: usize,
}

impl UploadedFile {
    /// Adds what has come.
    pub async fn write(&mut self, chunk: &[u8], limit: usize) -> Result<(), ApiError> {
        if chunk.len() > limit - self.bytes {
            return Err(ApiError::too_large(limit));
        }
        self.bytes += chunk.len();
        let written = self.file.write_all(chunk).await;
        written.map_err(|error| unwritable(&self.guard.0, &error))
    }

    /// Nothing more comes.
    pub async fn finish(mut self) -> Result<FinishedFile, ApiError> {
        let flushed = self.file.flush().await;
        flushed.map_err(|error| unwritable(&self.guard.0, &error))?;
        Ok(FinishedFile(self.guard))
    }
}

/// A file that is there completely. Dropped, it is deleted.
pub(super) struct FinishedFile(Guard);

impl FinishedFile {
    pub fn path(&self) -> &Path {
        &self.0.0
    }
}

struct Guard(PathBuf);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(file = %self.0.display(), %error, "an upload could not be deleted; the next start does it");
        }
    }
}

fn unwritable(path: &Path, error: &io::Error) -> ApiError {
    ApiError::unavailable(format!("an upload cannot be written to {}: {error}", path.display()))
}
