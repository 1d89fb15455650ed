//! The entries under way to the broker, and the rule by which the outbox's cursor moves. Pure.
//!
//! An entry goes out in parts (alert, siren, retained incident, snapshot); it is done when the
//! broker has acknowledged all of them. The cursor stands behind the last entry of the unbroken
//! row of done ones. Entries are sent in the outbox's order without waiting for each other: a
//! broker handles and acknowledges one connection's messages in order (MQTT-4.6.0). After a cut all
//! that the cursor has not passed is sent again from its beginning, acknowledged or not, so that
//! even with a broker that does not, the newest revision comes last and stays retained.
//!
//! rumqttc gives packet ids in the order of requests, and tells them only once it has sent one:
//! so each request leaves a ticket, and the next id that it tells belongs to the oldest ticket.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use crate::outbox::Sequence;

/// A piece of an entry: one publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// On the khu phố's alert topic.
    Alert,
    /// The same on that of another khu phố whose cameras see it, counted from 0.
    Also(u8),
    /// The order to the khu phố's siren.
    Siren,
    /// On the incident's retained topic, or clearing it.
    Retained,
    /// The JPEG.
    Snapshot,
}

/// The progress that an acknowledgement has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// The entry that is done by it.
    pub(super) done: Option<Sequence>,
    /// The cursor's new place, if it has moved.
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

    /// Returns where the cursor stands.
    pub(super) fn cursor(&self) -> Sequence {
        self.cursor
    }

    /// The last entry taken in.
    pub(super) fn loaded(&self) -> Sequence {
        self.loaded
    }

    /// Returns how many more entries may be taken in.
    pub(super) fn room(&self) -> usize {
        self.window.saturating_sub(self.flights.len())
    }

    /// Publishes that were requested and not acknowledged, those outside the outbox too.
    pub(super) fn unacknowledged(&self) -> usize {
        self.tickets.len() + self.packets.len()
    }

    /// Tells whether every entry taken in is done.
    pub(super) fn is_idle(&self) -> bool {
        self.flights.is_empty()
    }

    /// Takes in the entry at `sequence`, which lies behind all earlier ones. One without parts is
    /// done at once: there is nothing in it that could be sent.
    pub(super) fn load(&mut self, sequence: Sequence, parts: &[Part]) -> Progress {
        debug_assert!(sequence > self.loaded, "the outbox is read in its order");
        self.loaded = sequence;
        let parts = parts.iter().map(|part| (*part, Step::Waiting)).collect();
        self.flights.push_back(Flight { sequence, parts });
        Progress { done: None, cursor: self.settle() }
    }

    /// Returns what to send next, if anything may be sent. The caller requests its publish at once.
    pub(super) fn next(&mut self) -> Option<(Sequence, Part)> {
        for flight in &mut self.flights {
            let mut parts = flight.parts.iter_mut();
            if let Some((part, step)) = parts.find(|(_, step)| *step == Step::Waiting) {
                *step = Step::Requested;
                self.tickets.push_back(Some((flight.sequence, *part)));
                return Some((flight.sequence, *part));
            }
        }
        None
    }

    /// Notes that what [`InFlight::next`] has just named is not sent after all: it is of no use any
    /// more.
    pub(super) fn withdraw(&mut self, sequence: Sequence, part: Part) -> Progress {
        let asked = self.tickets.pop_back();
        debug_assert_eq!(asked, Some(Some((sequence, part))), "withdrawn at once or never");
        self.settle_part(sequence, part).unwrap_or_default()
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
        self.settle_part(sequence, part)
    }

    /// A part needs no more care. None: there is no such entry.
    fn settle_part(&mut self, sequence: Sequence, part: Part) -> Option<Progress> {
        let flight = self.flights.iter_mut().find(|flight| flight.sequence == sequence)?;
        for (_, step) in flight.parts.iter_mut().filter(|(its, _)| *its == part) {
            *step = Step::Acked;
        }
        let done = flight.is_done().then_some(sequence);
        Some(Progress { done, cursor: self.settle() })
    }

    /// The oldest publish that went out and was not acknowledged.
    pub(super) fn oldest(&self) -> Option<(Sequence, Part)> {
        let sent: Vec<(Sequence, Part)> = self.packets.values().copied().flatten().collect();
        let mut parts = self.flights.iter().flat_map(|flight| {
            flight.parts.iter().map(|(part, step)| ((flight.sequence, *part), *step))
        });
        let oldest =
            parts.find(|(publish, step)| *step == Step::Requested && sent.contains(publish));
        oldest.map(|(publish, _)| publish)
    }

    /// Never sends this part of an entry again; without `part`, nothing of the entry.
    pub(super) fn abandon(&mut self, sequence: Sequence, part: Option<Part>) -> Progress {
        for flight in self.flights.iter_mut().filter(|flight| flight.sequence == sequence) {
            flight.parts.retain(|(its, _)| part.is_some_and(|part| part != *its));
        }
        Progress { done: None, cursor: self.settle() }
    }

    /// The connection is gone: all that the cursor has not passed will be sent again.
    pub(super) fn disconnected(&mut self) {
        self.tickets.clear();
        self.packets.clear();
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
    /// `load SEQUENCE [poison]`, `send` (all that may go, as sequence and part), `other` (a
    /// publish of somebody else's), `sent ID`, `ack ID`, `cut`.
    fn check(scenario: &str) {
        let mut line = InFlight::new(Sequence(0), 3);
        for step in scenario.trim().lines() {
            let (does, expected) = step.split_once('|').unwrap_or((step, ""));
            let words: Vec<&str> = does.split_whitespace().collect();
            let got = match words[..] {
                ["load", at] => moved(line.load(number(at), BOTH)),
                ["load", at, "poison"] => moved(line.load(number(at), &[])),
                ["send"] => sent(&mut line),
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
                _ => panic!("no such step: {step}"),
            };
            assert_eq!(got, expected.trim(), "at {step:?} of\n{scenario}");
        }
    }

    fn number(text: &str) -> Sequence {
        Sequence(text.parse().unwrap())
    }

    fn sent(line: &mut InFlight) -> String {
        let mut out = Vec::new();
        while let Some((at, part)) = line.next() {
            out.push(format!("{}{}", at.0, if part == Part::Alert { 'a' } else { 'r' }));
        }
        out.join(" ")
    }

    fn moved(progress: Progress) -> String {
        let done = progress.done.map(|at| format!("done {}", at.0));
        let cursor = progress.cursor.map(|at| format!("cursor {}", at.0));
        done.into_iter().chain(cursor).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_is_abandoned_is_not_sent_again() {
        let mut line = InFlight::new(Sequence(0), 3);
        for at in 1..=2 {
            line.load(Sequence(at), BOTH);
        }
        assert_eq!(line.oldest(), None, "nothing went out");
        assert_eq!(sent(&mut line), "1a 1r 2a 2r");
        assert!(line.sent(1) && line.sent(2) && line.sent(3));
        line.acked(1);
        assert_eq!(line.oldest(), Some((Sequence(1), Part::Retained)));
        line.disconnected();
        assert_eq!(moved(line.abandon(Sequence(1), Some(Part::Retained))), "");
        assert_eq!(sent(&mut line), "1a 2a 2r");
        line.disconnected();
        assert_eq!(moved(line.abandon(Sequence(1), None)), "cursor 1");
        assert_eq!(moved(line.abandon(Sequence(2), None)), "cursor 2");
        assert_eq!(sent(&mut line), "");
    }

    #[test]
    fn the_cursor_moves_when_all_parts_are_acknowledged() {
        check(
            "load 1
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
            "load 1
             load 2
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
    fn a_cut_sends_again_all_that_the_cursor_has_not_passed() {
        check(
            "load 1
             load 2
             send  | 1a 1r 2a 2r
             sent 1
             sent 2
             sent 3
             sent 4
             ack 3
             ack 4 | done 2
             cut
             ack 2 | unknown
             send  | 1a 1r 2a 2r
             sent 1
             sent 2
             ack 1
             ack 2 | done 1, cursor 1
             cut
             send  | 2a 2r",
        );
    }

    #[test]
    fn poison_is_passed_in_its_turn() {
        check(
            "load 1
             load 2 poison
             load 4 poison
             send  | 1a 1r
             sent 1
             sent 2
             ack 1
             ack 2 | done 1, cursor 4
             load 5 poison | cursor 5",
        );
    }

    #[test]
    fn what_is_withdrawn_holds_nothing_up() {
        let mut line = InFlight::new(Sequence(0), 3);
        line.load(Sequence(1), &[Part::Alert, Part::Siren]);
        assert_eq!(line.next(), Some((Sequence(1), Part::Alert)));
        assert_eq!(line.next(), Some((Sequence(1), Part::Siren)));
        assert_eq!(line.withdraw(Sequence(1), Part::Siren), Progress::default());
        assert_eq!((line.next(), line.unacknowledged()), (None, 1));
        assert!(line.sent(1) && !line.sent(2));
        let done = Progress { done: Some(Sequence(1)), cursor: Some(Sequence(1)) };
        assert_eq!(line.acked(1), Some(done));
        line.load(Sequence(2), &[Part::Siren]);
        assert_eq!(line.next(), Some((Sequence(2), Part::Siren)));
        let done = Progress { done: Some(Sequence(2)), cursor: Some(Sequence(2)) };
        assert_eq!(line.withdraw(Sequence(2), Part::Siren), done);
    }

    #[test]
    fn packets_of_others_and_of_nobody_move_nothing() {
        check(
            "load 1
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
        /// passes only what is acknowledged, each connection carries the entries in order, and in
        /// the end all is done.
        #[test]
        fn the_cursor_passes_only_what_is_acknowledged(
            total in 1u64..30,
            choices in prop::collection::vec((0u8..16, any::<u16>()), 0..300),
        ) {
            let mut line = InFlight::new(Sequence(0), 5);
            // Kept apart from the code under test: what went out on this connection, what of it
            // is acknowledged, and which packet is which.
            let mut out: Vec<(Sequence, Part)> = Vec::new();
            let mut acked = std::collections::BTreeSet::new();
            let mut packets: Vec<(u16, (Sequence, Part))> = Vec::new();
            let mut id = 0u16;
            for (what, pick) in choices.into_iter().chain(std::iter::repeat_n((0, 0), 100)) {
                while line.room() > 0 && line.loaded().0 < total {
                    line.load(line.loaded().next(), BOTH);
                }
                while let Some(ticket) = line.next() {
                    prop_assert!(out.last().is_none_or(|last| *last < ticket));
                    out.push(ticket);
                    id += 1;
                    packets.push((id, ticket));
                    prop_assert!(line.sent(id));
                }
                if what == 15 {
                    line.disconnected();
                    packets.clear();
                    out.clear();
                } else if !packets.is_empty() {
                    let (id, ticket) = packets.remove(usize::from(pick) % packets.len());
                    acked.insert(ticket);
                    prop_assert!(line.acked(id).is_some());
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
