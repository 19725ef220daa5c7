//! An ordered map that can take back what was done to it.

use std::collections::BTreeMap;
use std::ops::RangeBounds;

/// Rows by key, with what the member that is being applied has overwritten.
pub(super) struct Table<K, V> {
    rows: BTreeMap<K, V>,
    undo: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            undo: Vec::new(),
        }
    }
}

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    pub fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    pub fn contains(&self, key: &K) -> bool {
        self.rows.contains_key(key)
    }

    pub fn put(&mut self, key: K, row: V) {
        let before = self.rows.insert(key.clone(), row);
        self.undo.push((key, before));
    }

    pub fn remove(&mut self, key: &K) -> Option<V> {
        let before = self.rows.remove(key)?;
        self.undo.push((key.clone(), Some(before.clone())));
        Some(before)
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    pub fn range(&self, range: impl RangeBounds<K>) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.range(range)
    }

    /// The keys in a range, apart from the table, so that it can be changed meanwhile.
    pub fn keys(&self, range: impl RangeBounds<K>) -> Vec<K> {
        self.rows.range(range).map(|(key, _)| key.clone()).collect()
    }

    /// The first key.
    pub fn first(&self) -> Option<&K> {
        self.rows.first_key_value().map(|(key, _)| key)
    }
}

/// What all tables have, whatever is in them.
pub(super) trait Undo {
    /// What was done remains.
    fn keep(&mut self);

    /// What was done since the last [`keep`](Self::keep) is taken back.
    fn take_back(&mut self);
}

impl<K: Ord, V> Undo for Table<K, V> {
    fn keep(&mut self) {
        self.undo.clear();
    }

    fn take_back(&mut self) {
        while let Some((key, before)) = self.undo.pop() {
            match before {
                Some(row) => self.rows.insert(key, row),
                None => self.rows.remove(&key),
            };
        }
    }
}
