//! What is under way to the broker, and when the outbox's cursor may move. Pure.
//!
//! An entry goes out in parts (alert, retained incident, snapshot); it is done when the broker
//! has acknowledged all of them. The cursor stands behind the last entry of the unbroken row of
//! done ones. Entries of one subject never overtake each other: the next one's parts wait until
//! all of the earlier one's are acknowledged. Other subjects pass by.
//!
//! rumqttc gives packet ids in the order of requests, and tells them only once it has sent one:
//! so each request leaves a ticket, and the next id that it tells belongs to the oldest ticket.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::outbox::Sequence;

/// A piece of an entry: one publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// On the khu phố's alert topic.
    Alert,
    /// On the incident's retained topic, or clearing it.
    Retained,
    /// The JPEG.
    Snapshot,
}

/// What an acknowledgement has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// The entry that is done by it.
    pub(super) done: Option<Sequence>,
    /// Where the cursor stands now, if it has moved.
    pub(super) cursor: Option<Sequence>,
}

/// The bookkeeping of one reader of the outbox.
#[derive(Debug)]
pub(super) struct InFlight {
    cursor: Sequence,
    loaded: Sequence,
    window: usize,
    flights: VecDeque<Flight>,
    tickets: VecDeque<Ticket>,
    packets: BTreeMap<u16, Ticket>,
}

/// A publish: a part of an entry, or none of the outbox's.
type Ticket = Option<(Sequence, Part)>;

#[derive(Debug)]
struct Flight {
    sequence: Sequence,
    subject: Arc<str>,
    parts: Vec<(Part, Step)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Waiting,
    Requested,
    Acked,
}

impl Flight {
    fn is_done(&self) -> bool {
        self.parts.iter().all(|(_, step)| *step == Step::Acked)
    }
}

impl InFlight {
    /// Begins behind `cursor`; `window` entries at most are under way at once.
    pub(super) fn new(cursor: Sequence, window: usize) -> Self {
        Self {
            cursor,
            loaded: cursor,
            window,
            flights: VecDeque::new(),
            tickets: VecDeque::new(),
            packets: BTreeMap::new(),
        }
    }

    /// Where the cursor stands.
    pub(super) fn cursor(&self) -> Sequence {
        self.cursor
    }

    /// The last entry taken in.
    pub(super) fn loaded(&self) -> Sequence {
        self.loaded
    }

    /// How many more entries may be taken in.
    pub(super) fn room(&self) -> usize {
        self.window.saturating_sub(self.flights.len())
    }

    /// Publishes that were requested and not acknowledged, those outside the outbox too.
    pub(super) fn unacknowledged(&self) -> usize {
        self.tickets.len() + self.packets.len()
    }

    /// Whether every entry taken in is done.
    pub(super) fn is_idle(&self) -> bool {
        self.flights.is_empty()
    }

    /// Takes in the entry at `sequence`, which lies behind all earlier ones. One without parts is
    /// done at once: there is nothing in it that could be sent.
    pub(super) fn load(
        &mut self,
        sequence: Sequence,
        subject: Arc<str>,
        parts: &[Part],
    ) -> Progress {
        debug_assert!(sequence > self.loaded, "the outbox is read in its order");
        self.loaded = sequence;
        let parts = parts.iter().map(|part| (*part, Step::Waiting)).collect();
        self.flights.push_back(Flight { sequence, subject, parts });
        Progress { done: None, cursor: self.settle() }
    }

    /// What to send next, if anything may be sent. The caller requests its publish at once.
    pub(super) fn next(&mut self) -> Option<(Sequence, Part)> {
        for at in 0..self.flights.len() {
            let flight = &self.flights[at];
            let mut earlier = self.flights.iter().take(at);
            if earlier.any(|other| other.subject == flight.subject && !other.is_done()) {
                continue;
            }
            let flight = &mut self.flights[at];
            if let Some((part, step)) =
                flight.parts.iter_mut().find(|(_, step)| *step == Step::Waiting)
            {
                *step = Step::Requested;
                let found = (flight.sequence, *part);
                self.tickets.push_back(Some(found));
                return Some(found);
            }
        }
        None
    }

    /// A publish that is none of the outbox's was requested.
    pub(super) fn requested_other(&mut self) {
        self.tickets.push_back(None);
    }

    /// The oldest request went out as packet `id`. False: there was no request.
    pub(super) fn sent(&mut self, id: u16) -> bool {
        let ticket = self.tickets.pop_front();
        ticket.is_some_and(|ticket| self.packets.insert(id, ticket).is_none())
    }

    /// The broker has acknowledged packet `id`. None: there is no such packet.
    pub(super) fn acked(&mut self, id: u16) -> Option<Progress> {
        let Some((sequence, part)) = self.packets.remove(&id)? else {
            return Some(Progress::default());
        };
        let flight = self.flights.iter_mut().find(|flight| flight.sequence == sequence)?;
        for (_, step) in flight.parts.iter_mut().filter(|(its, _)| *its == part) {
            *step = Step::Acked;
        }
        let done = flight.is_done().then_some(sequence);
        Some(Progress { done, cursor: self.settle() })
    }

    /// The connection is gone: all that was not acknowledged will be sent again.
    pub(super) fn disconnected(&mut self) {
        self.tickets.clear();
        self.packets.clear();
        for (_, step) in self.flights.iter_mut().flat_map(|flight| &mut flight.parts) {
            if *step == Step::Requested {
                *step = Step::Waiting;
            }
        }
    }

    /// The broker does not remember us: what it has acknowledged may be lost as well, so all that
    /// the cursor has not passed will be sent again.
    pub(super) fn forgotten(&mut self) {
        for (_, step) in self.flights.iter_mut().flat_map(|flight| &mut flight.parts) {
            *step = Step::Waiting;
        }
    }

    fn settle(&mut self) -> Option<Sequence> {
        let before = self.cursor;
        while self.flights.front().is_some_and(Flight::is_done) {
            self.cursor = self.flights.pop_front().map_or(self.cursor, |flight| flight.sequence);
        }
        (self.cursor > before).then_some(self.cursor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: &[Part] = &[Part::Alert, Part::Retained];

    /// Runs a scenario, a step a line; what a step brings stands behind its bar.
    ///
    /// `load SEQUENCE SUBJECT [poison]`, `send` (all that may go, as `sequence+part`), `sent ID`,
    /// `ack ID`, `cut`, `forgotten`.
    fn check(scenario: &str) {
        let mut line = InFlight::new(Sequence(0), 3);
        for step in scenario.trim().lines() {
            let (does, expected) = step.split_once('|').unwrap_or((step, ""));
            let words: Vec<&str> = does.split_whitespace().collect();
            let got = match words[..] {
                ["load", at, subject] => moved(line.load(number(at), subject.into(), BOTH)),
                ["load", at, subject, "poison"] => {
                    moved(line.load(number(at), subject.into(), &[]))
                }
                ["send"] => {
                    let mut out = Vec::new();
                    while let Some((at, part)) = line.next() {
                        out.push(format!(
                            "{}{}",
                            at.0,
                            if part == Part::Alert { 'a' } else { 'r' }
                        ));
                    }
                    out.join(" ")
                }
                ["other"] => {
                    line.requested_other();
                    String::new()
                }
                ["sent", id] => {
                    if line.sent(id.parse().unwrap()) { "" } else { "unknown" }.to_owned()
                }
                ["ack", id] => line.acked(id.parse().unwrap()).map_or("unknown".into(), moved),
                ["cut"] => {
                    line.disconnected();
                    String::new()
                }
                ["forgotten"] => {
                    line.forgotten();
                    String::new()
                }
                _ => panic!("no such step: {step}"),
            };
            assert_eq!(got, expected.trim(), "at {step:?} of\n{scenario}");
        }
    }

    fn number(text: &str) -> Sequence {
        Sequence(text.parse().unwrap())
    }

    fn moved(progress: Progress) -> String {
        let done = progress.done.map(|at| format!("done {}", at.0));
        let cursor = progress.cursor.map(|at| format!("cursor {}", at.0));
        done.into_iter().chain(cursor).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_cursor_moves_when_all_parts_are_acknowledged() {
        check(
            "load 1 a
             send  | 1a 1r
             sent 1
             sent 2
             ack 1
             ack 2 | done 1, cursor 1",
        );
    }

    #[test]
    fn the_cursor_never_passes_a_gap() {
        check(
            "load 1 a
             load 2 b
             send  | 1a 1r 2a 2r
             sent 1
             sent 2
             sent 3
             sent 4
             ack 3
             ack 4 | done 2
             ack 2
             ack 1 | done 1, cursor 2",
        );
    }

    #[test]
    fn revisions_wait_for_each_other_and_other_incidents_pass() {
        check(
            "load 1 a
             load 2 a
             load 3 b
             send  | 1a 1r 3a 3r
             sent 1
             sent 2
             ack 1
             send
             ack 2 | done 1, cursor 1
             send  | 2a 2r",
        );
    }

    #[test]
    fn a_cut_sends_again_what_was_not_acknowledged() {
        check(
            "load 1 a
             load 2 b
             send  | 1a 1r 2a 2r
             sent 1
             sent 2
             sent 3
             ack 1
             cut
             ack 2 | unknown
             send  | 1r 2a 2r
             sent 1
             ack 1 | done 1, cursor 1",
        );
    }

    #[test]
    fn a_broker_that_forgot_gets_all_behind_the_cursor() {
        check(
            "load 1 a
             load 2 b
             send  | 1a 1r 2a 2r
             sent 1
             sent 2
             sent 3
             sent 4
             ack 3
             ack 4 | done 2
             cut
             forgotten
             send  | 1a 1r 2a 2r",
        );
    }

    #[test]
    fn poison_is_passed_in_its_turn() {
        check(
            "load 1 a
             load 2 b poison
             load 4 c poison
             send  | 1a 1r
             sent 1
             sent 2
             ack 1
             ack 2 | done 1, cursor 4
             load 5 d poison | cursor 5",
        );
    }

    #[test]
    fn packets_of_others_and_of_nobody_move_nothing() {
        check(
            "load 1 a
             other
             send  | 1a 1r
             sent 7
             ack 7
             ack 7 | unknown
             sent 8
             sent 9
             sent 10 | unknown",
        );
    }

    proptest! {
        /// Whatever order the broker acknowledges in and however often the line is cut: the cursor
        /// passes only acknowledged entries, revisions stay in order, and in the end all is done.
        #[test]
        fn the_cursor_passes_only_what_is_acknowledged(
            subjects in prop::collection::vec(0u8..4, 1..30),
            choices in prop::collection::vec((any::<u8>(), any::<u16>()), 0..300),
        ) {
            let mut line = InFlight::new(Sequence(0), 5);
            let total = subjects.len() as u64;
            // Independent of the code under test: which parts were acknowledged, and packets.
            let mut acked = std::collections::BTreeSet::new();
            let mut asked = VecDeque::new();
            let mut packets: Vec<(u16, (Sequence, Part))> = Vec::new();
            let mut id = 0u16;
            let tail = std::iter::repeat_n((0u8, 0u16), 400);
            for (what, pick) in choices.into_iter().chain(tail) {
                while line.room() > 0 && line.loaded().0 < total {
                    let at = line.loaded().next();
                    let subject = subjects[usize::try_from(at.0).unwrap() - 1].to_string();
                    line.load(at, subject.as_str().into(), BOTH);
                }
                while let Some((at, part)) = line.next() {
                    let subject = subjects[usize::try_from(at.0).unwrap() - 1];
                    for earlier in 1..at.0 {
                        if subjects[usize::try_from(earlier).unwrap() - 1] == subject {
                            prop_assert!(BOTH.iter().all(|p| acked.contains(&(Sequence(earlier), *p))));
                        }
                    }
                    asked.push_back((at, part));
                }
                match what % 16 {
                    15 => {
                        line.disconnected();
                        asked.clear();
                        packets.clear();
                    }
                    8..15 => {
                        if let Some(ticket) = asked.pop_front() {
                            id += 1;
                            prop_assert!(line.sent(id));
                            packets.push((id, ticket));
                        }
                    }
                    _ => {
                        while let Some(ticket) = asked.pop_front() {
                            id += 1;
                            prop_assert!(line.sent(id));
                            packets.push((id, ticket));
                        }
                        if !packets.is_empty() {
                            let (id, ticket) = packets.remove(usize::from(pick) % packets.len());
                            acked.insert(ticket);
                            prop_assert!(line.acked(id).is_some());
                        }
                    }
                }
                for at in 1..=line.cursor().0 {
                    prop_assert!(BOTH.iter().all(|part| acked.contains(&(Sequence(at), *part))));
                }
            }
            prop_assert_eq!(line.cursor(), Sequence(total));
            prop_assert!(line.is_idle());
        }
    }
}
