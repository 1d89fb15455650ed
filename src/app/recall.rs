//! Past false alarms, read back from the log: the rules learn by them anew.

use crate::alert;
use crate::incident::Incident;
use crate::incident::IncidentState;
use crate::outbox;
use crate::outbox::Entry;
use crate::outbox::Outbox;
use crate::outbox::Sequence;

/// Entries that are read at once.
const CHUNK: usize = 256;
/// Newest entries that are looked through for incidents that somebody may still answer.
const LATELY: usize = 512;

/// The last revisions of false alarms, oldest first: all that retention has left.
///
/// # Errors
/// [`outbox::Error`] where the disk can't be read.
pub(super) fn false_alarms(outbox: &Outbox) -> Result<Vec<Incident>, outbox::Error> {
    let mut found = Vec::new();
    let mut after = Sequence::default();
    loop {
        let entries = outbox.read_after(after, CHUNK)?;
        let Some(last) = entries.last() else { return Ok(found) };
        after = last.sequence;
        found.extend(entries.iter().filter_map(false_alarm));
    }
}

/// The last revisions of incidents that were closed lately, oldest first.
///
/// # Errors
/// [`outbox::Error`] where the disk can't be read.
pub(super) fn closed(outbox: &Outbox) -> Result<Vec<Incident>, outbox::Error> {
    let entries = outbox.newest(LATELY)?;
    let parsed = entries.iter().rev().filter(|entry| !entry.live);
    // Damage is told elsewhere.
    let parsed = parsed.filter_map(|entry| alert::parse(&entry.payload).ok());
    Ok(parsed.filter(|incident| incident.state.is_closed()).collect())
}

/// The incident of an entry that closes it as a false alarm. Damage is told elsewhere.
fn false_alarm(entry: &Entry) -> Option<Incident> {
    if entry.live {
        return None;
    }
    let incident = alert::parse(&entry.payload).ok()?;
    (incident.state == IncidentState::FalseAlarm).then_some(incident)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Append;
    use crate::time::Wall;

    /// The alert that the documents show, in another state.
    fn alert(state: &str, revision: u32) -> Vec<u8> {
        let text = include_str!("../../docs/mqtt.md");
        let block = text.split("```json").nth(1).and_then(|rest| rest.split("```").next());
        let mut alert: serde_json::Value = serde_json::from_str(block.unwrap()).unwrap();
        alert["state"] = state.into();
        alert["revision"] = revision.into();
        serde_json::to_vec(&alert).unwrap()
    }

    #[test]
    fn false_alarms_are_read_back_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        let entries = [
            ("kp3/a", true, alert("open", 1)),
            ("kp3/a", false, alert("false_alarm", 2)),
            ("kp3/b", false, alert("resolved", 3)),
            ("kp3/c", false, b"damage".to_vec()),
            ("kp3/d", false, alert("false_alarm", 4)),
        ];
        for (subject, live, payload) in entries {
            let subject = subject.to_owned();
            let append = Append { subject, live, wall: Wall(0), snapshot: None };
            outbox.append(append, |_| payload).unwrap();
        }
        let revisions: Vec<u32> =
            false_alarms(&outbox).unwrap().iter().map(|incident| incident.revision).collect();
        assert_eq!(revisions, [2, 4]);
    }
}
