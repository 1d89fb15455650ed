//! How often a camera's frames are decoded and analysed just now.
//!
//! Pure: what the core has seen goes in, a level and its period come out.

use std::time::Duration;

use crate::time::Stamp;

/// How closely a camera is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Nothing there: about one frame a second, key frames alone where they come as often.
    #[default]
    Idle,
    /// Something weak, or an event next door.
    Curious,
    /// An event is open or about to be.
    Focused,
}

impl Level {
    /// The wanted time from one analysed frame to the next.
    pub fn period(self) -> Duration {
        Duration::from_millis(match self {
            Self::Idle => 1_000,
            Self::Curious => 333,
            Self::Focused => 200,
        })
    }

    /// As the status topic writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Curious => "curious",
            Self::Focused => "focused",
        }
    }
}

/// Curiosity lasts as long after its last cause.
const CURIOUS_FOR: Duration = Duration::from_secs(5);
/// Focus lasts as long after its last cause: longer, since what flickers comes back.
const FOCUSED_FOR: Duration = Duration::from_secs(10);

/// The attention of one camera.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attention {
    curious_since: Option<Stamp>,
    focused_since: Option<Stamp>,
}

impl Attention {
    /// Something weak was seen at `at`.
    pub fn wonder(&mut self, at: Stamp) {
        self.curious_since = Some(at);
    }

    /// An event is open, or nearly, at `at`.
    pub fn focus(&mut self, at: Stamp) {
        self.focused_since = Some(at);
    }

    /// The level at `at`.
    pub fn level(&self, at: Stamp) -> Level {
        let fresh = |cause: Option<Stamp>, lasts: Duration| {
            cause.is_some_and(|since| at.mono.since(since.mono) < lasts)
        };
        if fresh(self.focused_since, FOCUSED_FOR) {
            Level::Focused
        } else if fresh(self.curious_since, CURIOUS_FOR) {
            Level::Curious
        } else {
            Level::Idle
        }
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
        attention.focus(start);
        attention.wonder(after(7));
        assert_eq!(attention.level(after(9)), Level::Focused);
        assert_eq!(attention.level(after(10)), Level::Curious);
        assert_eq!(attention.level(after(12)), Level::Idle);
    }
}
