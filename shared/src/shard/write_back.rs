//! Floor 2: a growing file goes to the disk while the rest of it is made, so that its last sync is short.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Syncs in the background. The last word has a sync after everything is written.
#[derive(Debug)]
pub(crate) struct WriteBack {
    file: Arc<File>,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl WriteBack {
    /// For the file at `path`, which exists.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { file: Arc::new(File::open(path)?), running: None })
    }

    /// Begins to write back what the file holds, unless the last time is not over.
    ///
    /// # Errors
    /// What an earlier one met: the system tells each error only once.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        if self.running.as_ref().is_some_and(|running| !running.is_finished()) {
            return Ok(());
        }
        self.wait()?;
        let file = Arc::clone(&self.file);
        // Without a thread it waits for the end.
        self.running = thread::Builder::new().spawn(move || file.sync_data()).ok();
        Ok(())
    }

    /// Writes back what is left, data and length.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.wait()?;
        self.file.sync_all()
    }

    fn wait(&mut self) -> io::Result<()> {
        match self.running.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(io::Error::other("the thread that writes back has panicked")),
        }
    }
}
