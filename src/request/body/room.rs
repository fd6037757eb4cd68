//! Room: how many bytes of bodies are kept at the same time, over all requests and workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// As many bytes are kept where nothing else is said.
const MOST: usize = 32 << 20;

/// Room for bodies that are kept. What finds no room is passed on as it comes, once.
#[derive(Debug, Clone)]
pub struct BodyRoom(Arc<Room>);

#[derive(Debug)]
struct Room {
    most: usize,
    taken: AtomicUsize,
}

impl BodyRoom {
    /// Room for so many bytes.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Room { most, taken: AtomicUsize::new(0) }))
    }

    /// How many bytes are kept now.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// A place in it, with nothing there yet.
    pub fn place(&self) -> Place {
        Place { room: Arc::clone(&self.0), bytes: 0 }
    }
}

impl Default for BodyRoom {
    fn default() -> Self {
        Self::new(MOST)
    }
}

/// What one body takes of the room, until it is dropped.
#[derive(Debug)]
pub struct Place {
    room: Arc<Room>,
    bytes: usize,
}

impl Place {
    /// Takes so many bytes more, and says whether there were any.
    pub fn extend(&mut self, bytes: usize) -> bool {
        let more = |taken: usize| taken.checked_add(bytes).filter(|all| *all <= self.room.most);
        let fits = self.room.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    /// Gives back all of it.
    pub(super) fn clear(&mut self) {
        self.room.taken.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clear();
    }
}
