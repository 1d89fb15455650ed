//! The topic tree: every name that goes out, and what may come in. Pure.

use std::fmt;

use crate::ward::Id;

/// The topics of one ward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    ward: Id,
}

/// The topic by which a message came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// `keng/{ward}/{khu_pho}/incident/{id}/command`: a team acts on an incident.
    Command {
        /// The team's neighbourhood.
        khu_pho: Id,
        /// The incident.
        incident: Id,
    },
    /// `keng/{ward}/{khu_pho}/report`: a person saw something.
    Report {
        /// The place of it.
        khu_pho: Id,
    },
    /// `keng/{ward}/{khu_pho}/patrol`: a patrol is there.
    Patrol {
        /// The place of it.
        khu_pho: Id,
    },
}

impl Incoming {
    /// The neighbourhood that it is about.
    pub fn khu_pho(&self) -> &Id {
        let (Self::Command { khu_pho, .. } | Self::Report { khu_pho } | Self::Patrol { khu_pho }) =
            self;
        khu_pho
    }
}

impl Topics {
    /// Of the ward `ward`.
    pub fn new(ward: Id) -> Self {
        Self { ward }
    }

    /// Retained: whether the daemon is there.
    pub fn status(&self) -> String {
        self.under("status")
    }

    /// Retained: how a camera is.
    pub fn camera_status(&self, khu_pho: &Id, camera: &Id) -> String {
        self.under(format_args!("{khu_pho}/{camera}/status"))
    }

    /// Returns the filter for the statuses of all cameras.
    pub fn camera_statuses(&self) -> String {
        self.under(format_args!("+/+/status"))
    }

    /// Retained: what goes on in a khu phố.
    pub fn khu_pho_status(&self, khu_pho: &Id) -> String {
        self.under(format_args!("{khu_pho}/status"))
    }

    /// Every alert of a khu phố.
    pub fn alert(&self, khu_pho: &Id) -> String {
        self.under(format_args!("{khu_pho}/alert"))
    }

    /// Retained while open: an incident's newest alert.
    pub fn incident(&self, khu_pho: &Id, incident: &Id) -> String {
        self.under(format_args!("{khu_pho}/incident/{incident}"))
    }

    /// A masked JPEG of an incident.
    pub fn snapshot(&self, khu_pho: &Id, incident: &Id) -> String {
        self.under(format_args!("{khu_pho}/incident/{incident}/snapshot"))
    }

    /// The siren of a khu phố.
    pub fn siren(&self, khu_pho: &Id) -> String {
        self.under(format_args!("{khu_pho}/siren"))
    }

    /// Filters for all that may come in.
    pub fn filters(&self) -> [String; 3] {
        ["+/incident/+/command", "+/report", "+/patrol"].map(|rest| self.under(rest))
    }

    /// Parses `topic`, where it is one that may come in.
    pub fn parse(&self, topic: &str) -> Option<Incoming> {
        let rest = topic.strip_prefix("keng/")?.strip_prefix(self.ward.as_str())?;
        let mut levels = rest.strip_prefix('/')?.split('/');
        let khu_pho = Id::new(levels.next()?).ok()?;
        let found = match levels.next()? {
            "report" => Incoming::Report { khu_pho },
            "patrol" => Incoming::Patrol { khu_pho },
            "incident" => {
                let incident = Id::new(levels.next()?).ok()?;
                levels.next().filter(|level| *level == "command")?;
                Incoming::Command { khu_pho, incident }
            }
            _ => return None,
        };
        levels.next().is_none().then_some(found)
    }

    /// The topic that something came in on.
    pub fn of(&self, incoming: &Incoming) -> String {
        match incoming {
            Incoming::Command { khu_pho, incident } => {
                self.under(format_args!("{khu_pho}/incident/{incident}/command"))
            }
            Incoming::Report { khu_pho } => self.under(format_args!("{khu_pho}/report")),
            Incoming::Patrol { khu_pho } => self.under(format_args!("{khu_pho}/patrol")),
        }
    }

    fn under(&self, rest: impl fmt::Display) -> String {
        format!("keng/{}/{rest}", self.ward)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> Id {
        Id::new(text).unwrap()
    }

    fn topics() -> Topics {
        Topics::new(id("phuong-14"))
    }

    #[test]
    fn what_goes_out_has_the_contract_s_names() {
        let (khu_pho, camera, incident) = (id("kp3"), id("hem-42"), id("i-1"));
        let t = topics();
        assert_eq!(t.status(), "keng/phuong-14/status");
        assert_eq!(t.camera_status(&khu_pho, &camera), "keng/phuong-14/kp3/hem-42/status");
        assert_eq!(t.khu_pho_status(&khu_pho), "keng/phuong-14/kp3/status");
        assert_eq!(t.alert(&khu_pho), "keng/phuong-14/kp3/alert");
        assert_eq!(t.incident(&khu_pho, &incident), "keng/phuong-14/kp3/incident/i-1");
        assert_eq!(t.snapshot(&khu_pho, &incident), "keng/phuong-14/kp3/incident/i-1/snapshot");
        assert_eq!(t.siren(&khu_pho), "keng/phuong-14/kp3/siren");
    }

    #[test]
    fn what_comes_in_is_known_or_refused() {
        let khu_pho = id("kp3");
        for (topic, expected) in [
            ("keng/phuong-14/kp3/report", Some(Incoming::Report { khu_pho: khu_pho.clone() })),
            ("keng/phuong-14/kp3/patrol", Some(Incoming::Patrol { khu_pho: khu_pho.clone() })),
            (
                "keng/phuong-14/kp3/incident/i-1/command",
                Some(Incoming::Command { khu_pho, incident: id("i-1") }),
            ),
            ("keng/phuong-14/kp3/incident/i-1", None),
            ("keng/phuong-14/kp3/incident/i-1/snapshot", None),
            ("keng/phuong-14/kp3/incident/i-1/command/x", None),
            ("keng/phuong-14/kp3/alert", None),
            ("keng/phuong-14/kp3/report/", None),
            ("keng/phuong-14/KP3/report", None),
            ("keng/phuong-14//report", None),
            ("keng/phuong-14/alert/report", None),
            ("keng/phuong-141/kp3/report", None),
            ("keng/phuong-15/kp3/report", None),
            ("phuong-14/kp3/report", None),
            ("", None),
        ] {
            let parsed = topics().parse(topic);
            assert_eq!(parsed, expected, "{topic}");
            assert!(parsed.is_none_or(|incoming| topics().of(&incoming) == topic), "{topic}");
        }
    }

    proptest! {
        #[test]
        fn no_topic_makes_it_panic(topic in "(keng/phuong-14/)?[a-z/+#-]{0,40}") {
            drop(topics().parse(&topic));
        }
    }
}
