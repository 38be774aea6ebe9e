//! The books of named scopes, made when a name first appears.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::book::Book;

/// Names that have a book at one time. Names come from the configuration, which may change while the program runs.
const MOST: usize = 256;

/// Books by name.
pub(super) struct Shelf<K>(RwLock<HashMap<K, Arc<Mutex<Book>>>>);

impl<K: Clone + Eq + Hash> Shelf<K> {
    /// Makes an empty one.
    pub(super) fn new() -> Self {
        Self(RwLock::default())
    }

    /// Finds a book.
    pub(super) fn find<Q: Eq + Hash + ?Sized>(&self, name: &Q) -> Option<Arc<Mutex<Book>>>
    where
        K: Borrow<Q>,
    {
        self.0.read().get(name).cloned()
    }

    /// Finds a book or makes one. When there are too many, the one that was idle for longest goes.
    pub(super) fn open(&self, name: &K) -> Arc<Mutex<Book>> {
        if let Some(book) = self.find(name) {
            return book;
        }
        let mut books = self.0.write();
        if books.len() >= MOST && !books.contains_key(name) {
            let idle = books
                .iter()
                .filter_map(|(name, book)| {
                    let book = book.lock();
                    (book.in_flight() == 0).then(|| (name, book.last_touch()))
                })
                .min_by_key(|(_, touched)| *touched)
                .map(|(name, _)| name.clone());
            if let Some(idle) = idle {
                books.remove(&idle);
            }
        }
        let book = books
            .entry(name.clone())
            .or_insert_with(|| Arc::new(Mutex::new(Book::new())));
        Arc::clone(book)
    }

    /// Returns all names.
    pub(super) fn names(&self) -> Vec<K> {
        self.0.read().keys().cloned().collect()
    }

    /// Returns the memory all books hold, nearly.
    pub(super) fn memory_bytes(&self) -> usize {
        let books: Vec<_> = self.0.read().values().cloned().collect();
        books.iter().map(|book| book.lock().memory_bytes()).sum()
    }
}
