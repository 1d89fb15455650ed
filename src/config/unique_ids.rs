//! Ids that must differ within one list of the file.

use super::reader::Item;
use super::values;
use crate::ward::Id;

/// Ids of one kind with the lines where they stand.
#[derive(Default)]
pub(super) struct UniqueIds(Vec<(Id, usize)>);

impl UniqueIds {
    /// Tells whether an item has this id.
    pub(super) fn has(&self, id: &Id) -> bool {
        self.0.iter().any(|(other, _)| other == id)
    }

    /// Reads an id and remembers it; reports a fault that names both lines where it was read
    /// before.
    pub(super) fn unique_id(&mut self, item: &Item<'_>) -> Option<Id> {
        let id = values::id(item)?;
        let line = item.line();
        if let Some((_, first)) = self.0.iter().find(|(other, _)| *other == id) {
            let message = format!("{id} is here on line {line} and already on line {first}");
            item.fault(message, "give each an id of its own");
            return None;
        }
        self.0.push((id.clone(), line));
        Some(id)
    }
}
