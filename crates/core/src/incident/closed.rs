//! Incidents that were closed lately: who answers one of them is told who was sooner, and an answer
//! that comes twice changes nothing the second time.

use std::collections::VecDeque;

use crate::incident::{AnswerError, Incident, IncidentId, IncidentState};
use crate::ward::Id;

/// As many are remembered, the newest.
const CLOSED_MAX: usize = 512;

#[derive(Clone, Debug)]
struct Closed {
    /// Its own id, and those of what was merged into it, with their khu phố.
    ids: Vec<(IncidentId, Id)>,
    state: IncidentState,
    by: Option<String>,
}

/// The incidents that were closed lately, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentlyClosed(VecDeque<Closed>);

impl RecentlyClosed {
    /// Remembers an incident that is closed; `formerly`: what was merged into it.
    pub(super) fn remember(&mut self, incident: &Incident, formerly: Vec<(IncidentId, Id)>) {
        let mut ids = formerly;
        ids.push((incident.id.clone(), incident.khu_pho.clone()));
        let by = incident.closed.as_ref().map(|closed| closed.by.clone());
        self.0.push_back(Closed { ids, state: incident.state, by });
        while self.0.len() > CLOSED_MAX {
            self.0.pop_front();
        }
    }

    /// Returns why an answer of `khu_pho` for an incident that isn't open can't be, or `Ok` where
    /// it `wanted` what is so already.
    pub(super) fn answer(
        &self,
        khu_pho: &Id,
        id: &IncidentId,
        wanted: Option<IncidentState>,
    ) -> Result<(), AnswerError> {
        let meant =
            |closed: &&Closed| closed.ids.iter().any(|(its, of)| its == id && of == khu_pho);
        match self.0.iter().rev().find(meant) {
            None => Err(AnswerError::UnknownIncident(id.as_str().to_owned())),
            Some(closed) if wanted == Some(closed.state) => Ok(()),
            Some(Closed { state, by, .. }) => {
                Err(AnswerError::Closed { state: *state, by: by.clone() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::incident::{Answer, Patrol, Register, Report, Silence};
    use crate::time::{Mono, Stamp, Wall};

    fn at(s: u64) -> Stamp {
        Stamp { wall: Wall(1_795_274_043_120_000), mono: Mono(0) } + Duration::from_secs(s)
    }

    fn kp(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    fn answer(action: &str, by: &str) -> Answer {
        Answer::new(action, by, None).unwrap()
    }

    fn reported(register: &mut Register) -> IncidentId {
        let report = Report::new("fire", "Bà Tám", None, None, at(0).wall).unwrap();
        register.on_report(&kp("kp3"), report, at(0)).unwrap().id
    }

    #[test]
    fn who_came_first_wins_and_the_other_is_told_by_name() {
        let mut register = Register::default();
        let id = reported(&mut register);
        let mut say = |action: &str, by: &str, s: u64| {
            register.on_answer(&kp("kp3"), &id, answer(action, by), at(s))
        };
        let taken = say("acknowledge", "An", 1).unwrap().unwrap();
        assert_eq!(taken.acknowledged.as_ref().unwrap().by, "An");
        assert_eq!(say("acknowledge", "Bình", 2), Ok(None), "it was so already");
        let there = say("on_scene", "Bình", 3).unwrap().unwrap();
        assert_eq!(there.acknowledged, taken.acknowledged, "who took charge first stays");
        assert_eq!(there.on_scene.as_ref().unwrap().by, "Bình");
        assert_eq!(say("on_scene", "Bình", 3), Ok(None));
        let late = say("acknowledge", "Chi", 4).unwrap_err();
        assert!(late.to_string().contains("on_scene by \"Bình\""), "{late}");
        let over = say("false_alarm", "An", 5).unwrap().unwrap();
        assert_eq!((over.revision, over.closed.unwrap().by.as_str()), (4, "An"));
        assert_eq!(say("false_alarm", "An", 6), Ok(None), "delivered twice");
        let late = say("resolve", "Bình", 7).unwrap_err();
        assert_eq!(late.to_string(), "the incident is closed as false_alarm by \"An\"");
        let silence = Silence::new("Bình").unwrap();
        let late = register.on_silence(&kp("kp3"), &id, silence, at(8)).unwrap_err();
        assert!(matches!(late, AnswerError::Closed { .. }));
    }

    #[test]
    fn another_khu_pho_knows_nothing_of_it() {
        let mut register = Register::default();
        let id = reported(&mut register);
        for action in ["acknowledge", "resolve"] {
            let said = register.on_answer(&kp("kp4"), &id, answer(action, "x"), at(1));
            assert!(matches!(said, Err(AnswerError::UnknownIncident(_))), "{said:?}");
        }
        register.on_answer(&kp("kp3"), &id, answer("resolve", "An"), at(2)).unwrap();
        let said = register.on_answer(&kp("kp4"), &id, answer("resolve", "x"), at(3));
        assert!(matches!(said, Err(AnswerError::UnknownIncident(_))), "nor when it is over");
    }

    #[test]
    fn what_was_closed_before_a_start_is_remembered_and_no_more_than_so_many() {
        let mut register = Register::default();
        let id = reported(&mut register);
        let closed = register.on_answer(&kp("kp3"), &id, answer("resolve", "An"), at(1));
        let closed = closed.unwrap().unwrap();
        let mut again = Register::default();
        again.restore([closed.clone()], at(2));
        assert_eq!(again.on_answer(&kp("kp3"), &id, answer("resolve", "An"), at(3)), Ok(None));
        let others = (0..CLOSED_MAX).map(|n| Incident {
            id: IncidentId::parse(&format!("i-{n}")).unwrap(),
            ..closed.clone()
        });
        again.restore(others, at(4));
        let forgotten = again.on_answer(&kp("kp3"), &id, answer("resolve", "An"), at(5));
        assert!(matches!(forgotten, Err(AnswerError::UnknownIncident(_))));
    }

    #[test]
    fn what_was_merged_before_a_start_is_still_answered() {
        let mut register = Register::default();
        let id = reported(&mut register);
        let open = register.open().next().unwrap().clone();
        let old = IncidentId::parse("i-old").unwrap();
        let merged = Incident {
            id: old.clone(),
            state: IncidentState::Expired,
            merged_into: Some(id.clone()),
            ..open.clone()
        };
        let mut again = Register::default();
        again.restore([merged, open], at(1));
        let said = again.on_answer(&kp("kp3"), &old, answer("acknowledge", "An"), at(2));
        assert_eq!(said.unwrap().unwrap().id, id);
    }

    #[test]
    fn the_siren_is_switched_off_once_a_moment() {
        let mut register = Register::default();
        let id = reported(&mut register);
        let mut off = |s| {
            let silence = Silence::new("An").unwrap();
            register.on_silence(&kp("kp3"), &id, silence, at(s)).unwrap()
        };
        assert!(off(1).is_some() && off(2).is_none(), "delivered twice");
        assert!(off(20).is_some(), "said again: the siren may not have heard");
    }

    #[test]
    fn nobody_floods_the_patrols() {
        let mut register = Register::default();
        let patrol = |team: &str| Patrol::new(team, 30, Some(team)).unwrap();
        register.on_patrol(&kp("kp4"), patrol("own"), at(0));
        for number in 0..100 {
            register.on_patrol(&kp("kp3"), patrol(&number.to_string()), at(0));
        }
        let zones: Vec<_> = register.patrols(&kp("kp3"), at(1)).flatten().collect();
        assert_eq!((zones.len(), zones[0], zones[31]), (32, "68", "99"));
        assert_eq!(register.patrols(&kp("kp4"), at(1)).count(), 1, "others' stay");
    }
}
