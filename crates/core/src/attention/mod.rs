//! Attention: how often each camera's frames are analysed, and whose is next. Levels, motion,
//! turns, budget.
//!
//! Pure: what was seen goes in with its time, and a level, a turn or a period comes out. The
//! threads that decode and infer only ask.
//!
//! - [`Attention`]: one camera's level, from what has happened there lately.
//! - [`motion`]: whether something moves, from the sizes of packets: costs no decoding.
//! - [`change`]: whether something moves, from a grid of the small picture, where packets tell
//!   nothing.
//! - [`schedule`]: whose newest frame is analysed next.
//! - [`budget`]: how often each level's cameras may be looked at with the processor time there is.

pub mod budget;
pub mod change;
pub mod motion;
pub mod schedule;

use std::time::Duration;

use crate::time::Mono;
use crate::time::Stamp;

/// The level at which a camera is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Nothing there: about one frame a second, key frames alone where they come as often.
    #[default]
    Idle,
    /// Something weak, something that moves, or an event next door: about three a second.
    Curious,
    /// An event is open and has been told: five a second show how it goes on.
    Followed,
    /// An event is about to be, or somebody looks: up to eight a second, until it is decided.
    Focused,
}

impl Level {
    /// All, the least urgent first.
    pub const ALL: [Self; 4] = [Self::Idle, Self::Curious, Self::Followed, Self::Focused];

    /// The wanted time from one analysed frame to the next.
    #[inline]
    pub const fn period(self) -> Duration {
        Duration::from_millis(match self {
            Self::Idle => 1_000,
            Self::Curious => 333,
            Self::Followed => 200,
            Self::Focused => 125,
        })
    }

    /// Tells whether it goes before all that are only glanced at.
    pub fn is_in_focus(self) -> bool {
        self >= Self::Followed
    }

    /// As the status topic writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Curious => "curious",
            Self::Followed | Self::Focused => "focused",
        }
    }
}

/// A cause to look closer at a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A detection too weak for its rule.
    Candidate,
    /// A detection that is sure enough for its rule.
    Sight,
    /// Fire or smoke that is sure enough for its rule, and may be a single frame's fancy: the next
    /// frames tell, and shall not wait for their turn.
    Glimpse,
    /// Something moves, by the sizes of the stream's packets or in the small picture.
    Motion,
    /// A rule has found something on a neighbouring camera.
    Neighbour,
    /// A person looks at the camera on the page.
    Look,
    /// An event is open here, which has been told.
    Event,
    /// An event is nearly confirmed here.
    Suspicion,
}

impl Cause {
    const COUNT: usize = 8;

    const ALL: [Self; Self::COUNT] = [
        Self::Candidate,
        Self::Sight,
        Self::Glimpse,
        Self::Motion,
        Self::Neighbour,
        Self::Look,
        Self::Event,
        Self::Suspicion,
    ];

    /// Returns what the camera's level is at least while the cause holds.
    #[inline]
    pub fn level(self) -> Level {
        match self {
            Self::Candidate | Self::Sight | Self::Motion | Self::Neighbour => Level::Curious,
            Self::Event => Level::Followed,
            Self::Glimpse | Self::Look | Self::Suspicion => Level::Focused,
        }
    }

    /// Returns how long it holds after it was last noted.
    #[inline]
    pub fn lasts(self) -> Duration {
        Duration::from_secs(match self {
            // What burns is there in the next looks too; then it is an event.
            Self::Glimpse => 2,
            // Whoever moved may stand still now, and is looked at some times more.
            Self::Candidate | Self::Sight | Self::Motion => 5,
            // Fire and people take their time from one camera's view to the next.
            Self::Neighbour => 30,
            // The page asks again sooner.
            Self::Look => 10,
            // What flickers comes back.
            Self::Event | Self::Suspicion => 10,
        })
    }
}

/// Motion or weak candidates that were looked at closely for this time without a finding belong to
/// the street.
const SPELL_MAX: Duration = Duration::from_secs(10);
/// It is not asked for again for as long, and for twice as long each time, up to the bound.
const REST_MIN: Duration = Duration::from_secs(20);
const REST_MAX: Duration = Duration::from_secs(120);

/// The attention of one camera.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attention {
    /// The time at which each cause was last noted, in the order of [`Cause::ALL`].
    noted: [Option<Mono>; Cause::COUNT],
    habit: LevelHabituation,
    glimpses: LevelHabituation,
}

/// Gets used to motion, to weak candidates and to glimpses in which closer looks find nothing: a
/// street with traffic, or with a post that resembles a person, would want three looks a second all
/// evening, and take them from others.
#[derive(Clone, Copy, Debug, Default)]
struct LevelHabituation {
    /// Since when it is looked at closely.
    spell: Option<Mono>,
    /// It is passed over until then.
    rests_until: Option<Mono>,
    rest: Duration,
}

impl LevelHabituation {
    /// Tells whether what is there at `at` is worth a closer look; `ongoing`: it is looked at
    /// already.
    fn admits(&mut self, at: Mono, ongoing: bool) -> bool {
        if self.rests_until.is_some_and(|until| at < until) {
            return false;
        }
        if self.rests_until.is_some_and(|until| at.since(until) > REST_MAX) {
            self.rest = Duration::ZERO;
        }
        let since = match self.spell {
            Some(since) if ongoing => since,
            _ => *self.spell.insert(at),
        };
        if at.since(since) < SPELL_MAX {
            return true;
        }
        self.rest = (self.rest * 2).clamp(REST_MIN, REST_MAX);
        *self = Self { spell: None, rests_until: Some(at + self.rest), rest: self.rest };
        false
    }
}

impl Attention {
    /// `cause` was there at `at`. What is older than what is known changes nothing.
    pub fn note(&mut self, cause: Cause, at: Stamp) {
        let ongoing = |akin: &[Cause]| akin.iter().any(|cause| self.holds(*cause, at));
        let admitted = match cause {
            Cause::Motion | Cause::Candidate => {
                let ongoing = ongoing(&[Cause::Motion, Cause::Candidate]);
                self.habit.admits(at.mono, ongoing)
            }
            Cause::Glimpse => {
                let ongoing = ongoing(&[Cause::Glimpse]);
                self.glimpses.admits(at.mono, ongoing)
            }
            // What is sure is looked at by itself, for as long as it is there.
            _ => true,
        };
        if !admitted {
            return;
        }
        let noted = &mut self.noted[cause as usize];
        *noted = (*noted).max(Some(at.mono));
    }

    /// `cause` holds no more: what it asked for is decided.
    pub fn settle(&mut self, cause: Cause) {
        self.noted[cause as usize] = None;
    }

    /// The level at `at`: that of the most urgent cause that still holds.
    #[inline]
    pub fn level(&self, at: Stamp) -> Level {
        let held = Cause::ALL.into_iter().filter(|cause| self.holds(*cause, at));
        held.map(Cause::level).max().unwrap_or_default()
    }

    fn holds(&self, cause: Cause, at: Stamp) -> bool {
        let noted = self.noted[cause as usize];
        noted.is_some_and(|since| at.mono.since(since) < cause.lasts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attention_rises_at_once_and_falls_in_steps() {
        let start = Stamp::default();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut attention = Attention::default();
        assert_eq!(attention.level(start), Level::Idle);
        attention.note(Cause::Suspicion, start);
        assert_eq!(attention.level(after(9)), Level::Focused);
        attention.settle(Cause::Suspicion);
        attention.note(Cause::Event, after(9));
        attention.note(Cause::Candidate, after(17));
        assert_eq!(attention.level(after(9)), Level::Followed);
        assert_eq!(attention.level(after(19)), Level::Curious);
        assert_eq!(attention.level(after(22)), Level::Idle);
    }

    /// Seconds of `range` in which the camera is not idle; by turns something moves, and something
    /// resembles something.
    fn awake(attention: &mut Attention, range: std::ops::Range<u64>) -> usize {
        let mut awake = |second: u64| {
            let at = Stamp::default() + Duration::from_secs(second);
            let stirs = if second.is_multiple_of(3) { Cause::Candidate } else { Cause::Motion };
            attention.note(stirs, at);
            attention.level(at) != Level::Idle
        };
        range.filter(|second| awake(*second)).count()
    }

    #[test]
    fn a_street_that_always_stirs_is_got_used_to_but_not_to_what_is_sure() {
        let mut attention = Attention::default();
        assert_eq!(awake(&mut attention, 0..10), 10);
        let evening = awake(&mut attention, 10..3_600);
        assert!((360..540).contains(&evening), "{evening} s of an hour");
        // Somebody is there, whom it is sure of: that is another matter, for as long as it lasts.
        let at = |second| Stamp::default() + Duration::from_secs(second);
        (3_600..3_620).for_each(|second| attention.note(Cause::Sight, at(second)));
        assert_eq!(
            [3_600, 3_623, 3_624].map(|second| attention.level(at(second))),
            [Level::Curious, Level::Curious, Level::Idle]
        );
        // What stirs after a quiet time is looked at as if it were the first.
        let mut attention = Attention::default();
        awake(&mut attention, 0..100);
        assert_eq!(awake(&mut attention, 300..310), 10);
    }

    #[test]
    fn a_lamp_that_is_taken_for_a_flame_is_not_stared_at_for_ever() {
        let mut attention = Attention::default();
        let mut focused = |range: std::ops::Range<u64>| {
            let mut focused = |second: u64| {
                let at = Stamp::default() + Duration::from_secs(second);
                attention.note(Cause::Glimpse, at);
                attention.level(at) == Level::Focused
            };
            range.filter(|second| focused(*second)).count()
        };
        // 10 s, and the 2 s that the last one holds.
        assert_eq!(focused(0..30), 11);
        let hour = focused(30..3_600);
        assert!((300..450).contains(&hour), "{hour} s of an hour");
    }

    #[test]
    fn each_cause_holds_for_its_time_and_not_a_moment_longer() {
        let start = Stamp::default() + Duration::from_secs(100);
        for cause in Cause::ALL {
            let mut attention = Attention::default();
            attention.note(cause, start);
            // An older note, come late, takes nothing away.
            attention.note(cause, Stamp::default());
            let end = start + cause.lasts();
            let last = Stamp { mono: end.mono - Duration::from_micros(1), ..end };
            assert_eq!(attention.level(start), cause.level(), "{cause:?}");
            assert_eq!(attention.level(last), cause.level(), "{cause:?}");
            assert_eq!(attention.level(end), Level::Idle, "{cause:?}");
        }
    }
}
